# SPDX-License-Identifier: Apache-2.0
"""One look at one rollout: what is seen leads to a status, the status is written, and what it wants is done.

The object's status is all that is remembered. It is written before anything is done, and only over what was read, so
that of two controllers, of which one does not know yet that its time is over, the other wins.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from cluster.api import Cluster, ConflictError, Object, RefusedError
from cluster.errors import ClusterError
from rollouts.actions.act import act
from rollouts.actions.observe import observe
from rollouts.actions.release import MANAGER
from rollouts.controller.merge_patch import merge_patch
from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Key
from rollouts.controller.shadows import Shadows
from rollouts.controller.telling import Telling
from rollouts.controller.unreadable import as_far_as_told, stands_still, with_trouble
from rollouts.decision import decide
from rollouts.desired import desired
from rollouts.errors import SpecError
from rollouts.finalizer import FINALIZER, has_finalizer, is_under_way
from rollouts.measurements.source import Source
from rollouts.phases import Phase
from rollouts.spec import MODEL_ROLLOUT, End, Rollout, read_rollout
from rollouts.status import Status
from rollouts.status_document import read_status, status_document

_log = logging.getLogger(__name__)

#: How often one looks while the last request to a canary that was condemned is waited for, in seconds.
_IN_A_HURRY: Final = 0.25


class Tick:
    """Looks at rollouts; several threads may call it at once, for rollouts that differ.

    Args:
        cluster: Where they are.
        source: Tells what predictors have counted.
        shadows: Compare answers.
        metrics: Count all this.
        neighbours: Tell of the other rollouts of a namespace.
        may_act: Tells whether this controller is still the one that works.
        seconds: How long after the beginning of a look the next one is due.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        source: Source,
        shadows: Shadows,
        metrics: Metrics,
        neighbours: Neighbours,
        may_act: Callable[[], bool],
        seconds: float,
    ) -> None:
        self._cluster = cluster
        self._source = source
        self._shadows = shadows
        self._metrics = metrics
        self._neighbours = neighbours
        self._may_act = may_act
        self._seconds = seconds
        self._telling = Telling(cluster, metrics)

    def __call__(self, key: Key) -> float | None:
        """Look at a rollout; return after how many seconds to look again, None where nothing is left to do."""
        began = time.monotonic()
        try:
            again = self._look(key)
        except ConflictError as err:
            # Somebody else wrote in between: the next look sees it.
            self._metrics.failed("conflict")
            _log.debug("%s: %s", key, err)
            return self._seconds
        except ClusterError as err:
            self._metrics.failed("cluster")
            self._telling.trouble(key, str(err))
            return self._seconds
        except Exception:
            self._metrics.failed("fault")
            raise
        finally:
            self._metrics.tick_seconds.observe(time.monotonic() - began)
        self._telling.well(key)
        if again is None:
            self._telling.forget(key)
            self._shadows.forget(key)
        return again

    def _look(self, key: Key) -> float | None:
        document = self._cluster.get(*MODEL_ROLLOUT, key.name, key.namespace)
        if document is None or not is_under_way(document):
            return None
        before = read_status(document.get("status"))
        rollout, wrong = _read(document)
        if wrong is not None and before.former is None:
            now = datetime.now(UTC)
            after = before.decide(now, Phase.REFUSED, "Refused", wrong, ended=now)
        else:
            if "deletionTimestamp" in document["metadata"]:
                rollout, before = _ending(rollout, before)
            after = self._decided(key, rollout, before, wrong)
        if self._may_act():
            self._carry_out(key, document, rollout, before, after)
        hurried = after.phase is Phase.REVERTING and after.zero_traffic is None
        return min(_IN_A_HURRY, self._seconds) if hurried else self._seconds

    def _decided(self, key: Key, rollout: Rollout, before: Status, wrong: str | None) -> Status:
        if wrong is None:
            return self._seen(key, rollout, before)
        after = before if stands_still(rollout, before) else self._seen(key, rollout, before)
        return with_trouble(rollout, before, after, wrong, datetime.now(UTC))

    def _seen(self, key: Key, rollout: Rollout, before: Status) -> Status:
        """Return what a rollout has come to by what a look at the cluster shows."""
        seen = observe(self._cluster, rollout, before, self._source, self._neighbours.of(key))
        if before.mirror:
            seen = replace(seen, pairs=self._shadows.look(key, rollout.service, seen))
        else:
            self._shadows.forget(key)
        return decide(rollout, before, seen, datetime.now(UTC))

    def _carry_out(self, key: Key, document: Object, rollout: Rollout, before: Status, after: Status) -> None:
        wanted = desired(after)
        deleted = "deletionTimestamp" in document["metadata"]
        if wanted.touched and not has_finalizer(document) and not deleted:
            document = self._mark(document, [*document["metadata"].get("finalizers", []), FINALIZER])
        document = self._write(document, rollout, after)
        try:
            # The status may have taken long to write.
            if self._may_act():
                act(self._cluster, rollout, wanted)
        except ConflictError:
            raise
        except RefusedError as err:
            self._telling.refusal(key, rollout, after, str(err))
            raise
        finally:
            self._telling.decisions(key, rollout, before, after)
        if after.done and has_finalizer(document):
            self._mark(document, [each for each in document["metadata"]["finalizers"] if each != FINALIZER])

    def _write(self, document: Object, rollout: Rollout, status: Status) -> Object:
        """Write a status over that which was read; return the object as it then is."""
        present = document.get("status") or {}
        changes = merge_patch(present, status_document(rollout, status, document["metadata"]["generation"]))
        if not changes:
            return document
        return self._cluster.patch({**_head(document), "status": changes}, manager=MANAGER, subresource="status")

    def _mark(self, document: Object, finalizers: list[str]) -> Object:
        head = _head(document)
        return self._cluster.patch(
            {**head, "metadata": {**head["metadata"], "finalizers": finalizers}}, manager=MANAGER
        )


def _read(document: Object) -> tuple[Rollout, str | None]:
    """Return what a rollout asks for, and None; or as far as it is told, and why it cannot be read."""
    try:
        return read_rollout(document), None
    except SpecError as err:
        return as_far_as_told(document), str(err)


def _ending(rollout: Rollout, status: Status) -> tuple[Rollout, Status]:
    """Return a rollout whose object is being deleted as one that is to end: by reverting, unless it was promoted."""
    if status.phase is Phase.PROMOTED:
        return rollout, replace(status, warm_until=None)
    return replace(rollout, end=End.ABORT), status


def _head(document: Object) -> Object:
    """Return what names an object in the version that was read."""
    metadata = {key: document["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}
