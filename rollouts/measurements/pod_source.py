# SPDX-License-Identifier: Apache-2.0
"""The counts of pods as the pods themselves tell them, asked through the API server."""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

from cluster.api import Cluster
from cluster.errors import ClusterError
from rollouts.measurements.exposition import read_exposition
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod

_log = logging.getLogger(__name__)

_PORT: Final = 8080
#: A pod that takes longer is asked again at the next look; what it counted meanwhile is not lost.
_SECONDS: Final = 1.0


class PodSource:
    """Asks every pod that runs, several at once."""

    def __init__(self, cluster: Cluster, executor: Executor) -> None:
        """Ask the pods of a cluster.

        Args:
            cluster: Where they are.
            executor: Threads to ask with, other than those that ask for snapshots: these wait for them.
        """
        self._cluster = cluster
        self._executor = executor

    def snapshots(self, namespace: str, service: str, pods: Sequence[Pod]) -> dict[str, Snapshot]:
        """Return what each server has counted, as ``Source`` has it."""
        running = [pod for pod in pods if pod.runs]
        told = self._executor.map(lambda pod: self._snapshot(namespace, service, pod), running)
        return {pod.key: each for pod, each in zip(running, told, strict=True) if each is not None}

    def _snapshot(self, namespace: str, service: str, pod: Pod) -> Snapshot | None:
        try:
            text = self._cluster.text_of_pod(pod.name, namespace, _PORT, "metrics", seconds=_SECONDS)
            return read_exposition(text, service)
        except (ClusterError, ValueError) as err:
            # Usual while it loads or ends.
            _log.debug("pod %s of %s/%s tells no metrics: %s", pod.name, namespace, service, err)
            return None
