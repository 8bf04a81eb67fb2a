# SPDX-License-Identifier: Apache-2.0
"""What is told of rollouts besides their status: Events and lines of the log, each once, and metrics."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from cluster.api import Cluster
from cluster.errors import ClusterError
from rollouts.actions.events import record
from rollouts.controller.metrics import Metrics
from rollouts.controller.schedule import Key
from rollouts.spec import Rollout
from rollouts.status import Decision, Status

_log = logging.getLogger(__name__)

#: What was decided so shortly before this controller's first look may not have been told by the one before it.
_LATELY: Final = timedelta(minutes=1)


class Telling:
    """Tells of many rollouts; of one only one thread at a time.

    Args:
        cluster: Where the Events go.
        metrics: What is counted.
    """

    def __init__(self, cluster: Cluster, metrics: Metrics) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._troubles: dict[Key, str] = {}
        self._known: set[Key] = set()

    def decisions(self, key: Key, rollout: Rollout, before: Status, after: Status) -> None:
        """Tell what a look has led to."""
        self._metrics.moved(before, after)
        new = [each for each in after.decisions if each not in before.decisions]
        self._metrics.decided(new)
        for decision in new:
            _log.info("%s: %s: %s", key, decision.phase, decision.message)
        for decision in (*self._told_by_nobody(key, before), *new):
            self._record(key, rollout, decision)
        self._known.add(key)

    def refusal(self, key: Key, rollout: Rollout, status: Status, sentence: str) -> None:
        """Tell a rollout's user what the cluster does not let be done, once as long as it stays the same."""
        if self._troubles.get(key) != sentence:
            self._record(key, rollout, Decision(datetime.now(UTC), status.phase, "NotDone", sentence))

    def trouble(self, key: Key, sentence: str) -> None:
        """Tell why a look ended early, once as long as it stays the same."""
        if self._troubles.get(key) != sentence:
            _log.warning("%s: %s", key, sentence)
            self._troubles[key] = sentence

    def well(self, key: Key) -> None:
        """Tell that a rollout in trouble goes on."""
        if self._troubles.pop(key, None) is not None:
            _log.info("%s: goes on", key)

    def forget(self, key: Key) -> None:
        """Forget a rollout that has ended."""
        self._troubles.pop(key, None)
        self._known.discard(key)

    def _record(self, key: Key, rollout: Rollout, decision: Decision) -> None:
        try:
            record(self._cluster, rollout, decision)
        except ClusterError as err:
            _log.warning("%s: an Event could not be written: %s", key, err)

    def _told_by_nobody(self, key: Key, before: Status) -> list[Decision]:
        """Return the decisions of which the controller before this one may have told nobody any more."""
        if key in self._known:
            return []
        return [each for each in before.decisions if datetime.now(UTC) - each.time < _LATELY]
