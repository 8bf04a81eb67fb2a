# SPDX-License-Identifier: Apache-2.0
"""A rollout's decisions as Events, which ``kubectl describe modelrollout`` shows."""

from contextlib import suppress
from typing import Final

from cluster.api import Cluster, ConflictError
from rollouts.actions.release import MANAGER
from rollouts.kubernetes_time import kubernetes_time
from rollouts.phases import Phase
from rollouts.spec import MODEL_ROLLOUT, Rollout
from rollouts.status import Decision

#: Phases that nobody wishes for.
_WARNINGS: Final = frozenset({Phase.REVERTING, Phase.REVERTED, Phase.INCONCLUSIVE, Phase.REFUSED})
#: What keeps a rollout from going on, whatever its phase.
_TROUBLES: Final = frozenset({"NotDone", "Unreadable"})
#: What a user or another rollout wished for.
_WISHED: Final = frozenset({"Aborted", "Replaced", "RolledBack"})
#: Kubernetes' own limits.
_MOST_CHARACTERS: Final = 1024
_LONGEST_NAME: Final = 253


def record(cluster: Cluster, rollout: Rollout, decision: Decision) -> None:
    """Write a decision as an Event; one that is written already is left.

    Args:
        cluster: Where.
        rollout: What it is about.
        decision: The decision.
    """
    time = kubernetes_time(decision.time)
    # Named after its moment, so that a controller that was killed in between does not tell it twice.
    moment = f".{int(decision.time.timestamp() * 1e6):x}.{decision.reason.lower()}"
    document = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{rollout.name[: _LONGEST_NAME - len(moment)].rstrip('.-')}{moment}",
            "namespace": rollout.namespace,
        },
        "involvedObject": {
            "apiVersion": MODEL_ROLLOUT[0],
            "kind": MODEL_ROLLOUT[1],
            "name": rollout.name,
            "namespace": rollout.namespace,
            "uid": rollout.uid,
        },
        "reason": decision.reason,
        "message": decision.message[:_MOST_CHARACTERS],
        "type": _kind(decision),
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
    with suppress(ConflictError):
        cluster.create(document, manager=MANAGER)


def _kind(decision: Decision) -> str:
    is_bad = decision.phase in _WARNINGS and decision.reason not in _WISHED
    return "Warning" if is_bad or decision.reason in _TROUBLES else "Normal"
