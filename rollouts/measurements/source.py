# SPDX-License-Identifier: Apache-2.0
"""Where the counts of pods come from."""

from collections.abc import Sequence
from typing import Protocol

from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod


class Source(Protocol):
    """Tells what the servers of pods have counted; several threads may ask at once."""

    def snapshots(self, namespace: str, service: str, pods: Sequence[Pod]) -> dict[str, Snapshot]:
        """Return what each server has counted since it started, by ``Pod.key``; what cannot be told is left out.

        Args:
            namespace: Where the service is.
            service: The InferenceService, whose name is the model's.
            pods: Its pods.
        """
        ...
