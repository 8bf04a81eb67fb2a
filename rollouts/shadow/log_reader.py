# SPDX-License-Identifier: Apache-2.0
"""What pods have newly written to their prediction logs on standard output, read through the API server.

The API gives lines from a whole second on, so each look asks for some that were seen before. They are told by their
times: the container runtime stamps every line, and a container's records come in the order of their stamps.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cluster.api import Cluster
from cluster.errors import ClusterError
from cluster.services.observation import CONTAINER
from rollouts.observation import Pod
from rollouts.shadow.records import Record, may_be_record, read_record

_log = logging.getLogger(__name__)

_SECONDS: Final = 2.0
#: How much further back than the last look each one asks, for clocks and whole seconds.
_OVERLAP_SECONDS: Final = 2.0
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class _Place(NamedTuple):
    """How far a server's log has been read.

    Attributes:
        stamp: The stamp of the last record that was read.
        read: How many records with that stamp were read; all of them where it is None.
        asked: When it was last read, in seconds of the reader's clock.
    """

    stamp: datetime
    read: int | None
    asked: float


class LogReader:
    """Reads the logs of the pods of one service, each line once; those before its first look are left.

    Nobody else may use it meanwhile.
    """

    def __init__(
        self,
        cluster: Cluster,
        executor: Executor,
        namespace: str,
        service: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin at the end of every log.

        Args:
            cluster: Where the pods are.
            executor: Threads to ask with, other than that which asks for records: it waits for them.
            namespace: Where the service is.
            service: The InferenceService, whose name is the model's.
            clock: Tells seconds.
        """
        self._cluster = cluster
        self._executor = executor
        self._namespace = namespace
        self._service = service
        self._clock = clock
        self._places: dict[str, _Place] = {}

    def records(self, pods: Sequence[Pod]) -> dict[str, list[Record]]:
        """Return the records that pods have written since the last look, by ``Pod.key``.

        A pod that cannot be asked has none; its records come with the next look. Pods that are not among these are
        forgotten.
        """
        running = [pod for pod in pods if pod.runs]
        self._places = {pod.key: self._places[pod.key] for pod in running if pod.key in self._places}
        told = self._executor.map(self._read, running)
        found: dict[str, list[Record]] = {}
        for pod, (place, records) in zip(running, told, strict=True):
            if place is not None:
                self._places[pod.key] = place
            found[pod.key] = records
        return found

    def _read(self, pod: Pod) -> tuple[_Place | None, list[Record]]:
        place, asked = self._places.get(pod.key), self._clock()
        try:
            if place is None:
                return self._end(pod, asked), []
            since = math.ceil(asked - place.asked + _OVERLAP_SECONDS)
            return self._news(list(self._lines(pod, since_seconds=since)), place._replace(asked=asked))
        except ClusterError as err:
            # Usual while it starts or ends.
            _log.debug("pod %s of %s/%s tells no log: %s", pod.name, self._namespace, self._service, err)
            return place, []

    def _end(self, pod: Pod, asked: float) -> _Place:
        """Return the place behind the last line."""
        stamps = [stamp for stamp, _ in self._lines(pod, tail_lines=1)]
        return _Place(stamps[-1] if stamps else _LONG_AGO, None, asked)

    def _news(self, lines: Sequence[tuple[datetime, str]], place: _Place) -> tuple[_Place, list[Record]]:
        """Return the records behind a place, and the place behind them."""
        stamp, read, asked = place
        skipped = 0
        records = []
        for number, (at, line) in enumerate(lines, 1):
            if not may_be_record(line) or at < stamp:
                continue
            if at == stamp and (read is None or skipped < read):
                skipped += 1
                continue
            if number == len(lines) and not line.endswith("}"):
                break  # it is still being written
            stamp, read, skipped = (at, 1, 1) if at > stamp else (stamp, (read or 0) + 1, skipped + 1)
            record = read_record(line, self._service)
            if record is not None:
                records.append(record)
        return _Place(stamp, read, asked), records

    def _lines(self, pod: Pod, **words: Any) -> Iterator[tuple[datetime, str]]:
        """Yield the lines of a log with their stamps; what has none, such as an error of the API's own, is left out."""
        lines = self._cluster.log_lines(
            pod.name,
            self._namespace,
            container=CONTAINER,
            timestamps=True,
            _request_timeout=(_SECONDS, _SECONDS),
            **words,
        )
        for line in lines:
            stamp, _, said = line.partition(" ")
            at = _time(stamp)
            if at is not None:
                yield at, said


def _time(stamp: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
