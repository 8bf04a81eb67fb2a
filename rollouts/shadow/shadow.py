# SPDX-License-Identifier: Apache-2.0
"""The shadowing of one rollout: the logs of both versions read, their answers compared."""

from collections.abc import Sequence

from rollouts.observation import Pod
from rollouts.shadow.log_reader import LogReader
from rollouts.shadow.pairing import Pairing
from rollouts.shadow.pairs import Pairs
from rollouts.shadow.records import Record


class Shadow:
    """Compares what both versions answer. Only one thread may use it at a time.

    What it remembers is in memory alone: a controller that starts anew loses the records whose pairs were still to
    come, and counts nothing twice.
    """

    def __init__(self, reader: LogReader) -> None:
        """Begin with what is logged from the first look on.

        Args:
            reader: Reads the pods' logs.
        """
        self._reader = reader
        self._pairing = Pairing()

    def look(self, stable: Sequence[Pod], canary: Sequence[Pod]) -> Pairs:
        """Return the pairs of answers that came about since the last look.

        Args:
            stable: The pods of the stable version.
            canary: Those of the canary.
        """
        records = self._reader.records([*stable, *canary])
        return self._pairing.add(_of(stable, records), _of(canary, records))


def _of(pods: Sequence[Pod], records: dict[str, list[Record]]) -> list[Record]:
    return [record for pod in pods for record in records.get(pod.key, [])]
