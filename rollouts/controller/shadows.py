# SPDX-License-Identifier: Apache-2.0
"""What is remembered between looks of the rollouts that are being shadowed: how far their logs were read."""

from concurrent.futures import Executor

from cluster.api import Cluster
from rollouts.controller.schedule import Key
from rollouts.observation import Seen
from rollouts.shadow.log_reader import LogReader
from rollouts.shadow.pairs import Pairs
from rollouts.shadow.shadow import Shadow


class Shadows:
    """The shadows of all rollouts; that of one is used by one thread at a time.

    Args:
        cluster: Where the pods are.
        executor: Threads to read logs with.
    """

    def __init__(self, cluster: Cluster, executor: Executor) -> None:
        self._cluster = cluster
        self._executor = executor
        self._shadows: dict[Key, Shadow] = {}

    def look(self, key: Key, service: str, seen: Seen) -> Pairs:
        """Return the pairs of answers that came about since the last look; none at the first."""
        if key not in self._shadows:
            self._shadows[key] = Shadow(LogReader(self._cluster, self._executor, key.namespace, service))
        return self._shadows[key].look(seen.stable.pods, seen.canary.pods)

    def forget(self, key: Key) -> None:
        """Shadow a rollout no longer."""
        self._shadows.pop(key, None)
