# SPDX-License-Identifier: Apache-2.0
"""What became of the requests of a run, counted as they are answered, and added up across processes without loss.

Requests are counted in cells: those of one kind that were due in one second and came to the same end. A cell that is
being counted is two histograms, some 400 kB; what was taken or merged is kept in HdrHistogram's compressed form, a few
hundred bytes, so that an hour of six kinds of requests is some tens of megabytes. To be read, all cells are decoded
once into one table, of which every question is a sum.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, Self, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from loadtests.errors import LoadTestError
from loadtests.histogram import Bins, Counted, Histogram

K = TypeVar("K", bound=Hashable)

#: Enough for any duration that a histogram tells, in microseconds.
_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Answered:
    """One request that was sent, and what came of it.

    Attributes:
        second: In which it was due, from the start of the timetable.
        name: Its kind, such as "rest json, 1 row".
        code: "200" or "OK"; else why there is no right answer: "429", "timeout", "wrong answer".
        ok: Whether it was answered rightly.
        version: The answer's model_version; "" where there is none.
        lag_us: From due to sent.
        service_us: From sent to answered.
        latency_us: From due to answered.
    """

    second: int
    name: str
    code: str
    ok: bool
    version: str
    lag_us: int
    service_us: int
    latency_us: int


class CellKey(NamedTuple):
    """What the requests of a cell have in common; as in ``Answered``."""

    second: int
    name: str
    code: str
    ok: bool
    version: str


@dataclass(frozen=True)
class Tally:
    """Requests counted together.

    Attributes:
        requests: How many were sent.
        failed: How many of them were not answered rightly.
        latency: Of those answered rightly, from due to answered.
        service: Of all, from sent to answered or given up.
    """

    requests: int
    failed: int
    latency: Counted
    service: Counted


@dataclass(frozen=True)
class Second:
    """The requests that were due in one second; the attributes as in ``Tally``."""

    second: int
    requests: int
    failed: int
    latency: Counted


#: A cell as it travels: the key, and both histograms encoded.
PlainCell = tuple[int, str, str, bool, str, str, str]


class Message(TypedDict):
    """Measurements as plain values, for JSON and for Locust's messages; seconds are texts, as JSON's keys are."""

    cells: Sequence[PlainCell]
    lag: str | None
    latest: Mapping[str, int]
    dropped: Mapping[str, int]


@dataclass
class _Live:
    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True)
class _Rows:
    """Counts of all cells, decoded: in row i, ``count[i]`` requests of ``cell[i]`` in the bin up to ``longest[i]``."""

    cell: npt.NDArray[np.int64]
    longest: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Table:
    keys: list[CellKey]
    latency: _Rows
    service: _Rows


class Measurements:
    """The requests of a run, or of one process's part of it."""

    def __init__(self) -> None:
        self._live: dict[CellKey, _Live] = {}
        self._kept: dict[CellKey, tuple[str, str]] = {}
        self._lag = Histogram()
        self._latest: dict[int, int] = {}
        self._dropped: dict[int, int] = {}
        self._table: _Table | None = None

    def add(self, answered: Answered) -> None:
        """Count one request."""
        key = CellKey(answered.second, answered.name, answered.code, answered.ok, answered.version)
        cell = self._live.get(key)
        if cell is None:
            cell = self._live[key] = _Live()
        cell.latency.add(answered.latency_us)
        cell.service.add(answered.service_us)
        self._lag.add(answered.lag_us)
        if answered.lag_us > self._latest.get(answered.second, -1):
            self._latest[answered.second] = answered.lag_us

    def drop(self, second: int) -> None:
        """Count one arrival that was not sent, because too many requests were under way."""
        self._dropped[second] = self._dropped.get(second, 0) + 1

    def take(self) -> Message:
        """Return what was counted, and begin anew."""
        message = self.to_json()
        self._live, self._kept, self._lag, self._latest, self._dropped = {}, {}, Histogram(), {}, {}
        self._table = None
        return message

    def take_cell(self, before: int) -> Message | None:
        """Return one cell of the seconds before that one, which then counts no more here; None where there is none.

        Taking all of them at once takes milliseconds, in which a generator could send nothing.
        """
        key = next((key for key in self._live if key.second < before), None)
        if key is None:
            return None
        cell = self._live.pop(key)
        plain = (*key, cell.latency.encode(), cell.service.encode())
        return Message(cells=[plain], lag=None, latest={}, dropped={})

    def merge(self, message: Message) -> None:
        """Add what another process, or this one before, has counted.

        Raises:
            LoadTestError: It is not what ``take`` and ``to_json`` write.
        """
        self._table = None
        try:
            for second, name, code, ok, version, latency, service in message["cells"]:
                key = CellKey(second, name, code, ok, version)
                earlier = self._kept.get(key)
                self._kept[key] = (
                    (latency, service)
                    if earlier is None
                    else (
                        _sum(earlier[0], latency),
                        _sum(earlier[1], service),
                    )
                )
            if message["lag"] is not None:
                self._lag.merge(Histogram.decode(message["lag"]))
            for due, lag in message["latest"].items():
                self._latest[int(due)] = max(lag, self._latest.get(int(due), 0))
            for due, count in message["dropped"].items():
                self._dropped[int(due)] = self._dropped.get(int(due), 0) + count
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise LoadTestError(f"these are not measurements of a load test: {err}") from err

    def to_json(self) -> Message:
        """Return all that was counted, as plain values."""
        self._keep_live()
        return Message(
            cells=[(*key, *encoded) for key, encoded in sorted(self._kept.items())],
            lag=self._lag.encode(),
            latest={str(second): lag for second, lag in sorted(self._latest.items())},
            dropped={str(second): count for second, count in sorted(self._dropped.items())},
        )

    @classmethod
    def from_json(cls, message: Message) -> Self:
        """Return the measurements that ``to_json`` wrote.

        Raises:
            LoadTestError: It wrote something else.
        """
        measurements = cls()
        measurements.merge(message)
        try:
            measurements._decoded()
        except (TypeError, ValueError) as err:
            raise LoadTestError(f"these are not measurements of a load test: {err}") from err
        return measurements

    @property
    def lag(self) -> Histogram:
        """From due to sent, of all requests."""
        return self._lag

    @property
    def latest(self) -> Mapping[int, int]:
        """Of each second: how late the latest of its requests left, in microseconds."""
        return self._latest

    @property
    def dropped(self) -> Mapping[int, int]:
        """Of each second: how many arrivals were not sent, because too many requests were under way."""
        return self._dropped

    @property
    def total(self) -> Tally:
        """All requests together."""
        return self.tallies(lambda _: None).get(None, Tally(0, 0, Histogram(), Histogram()))

    def seconds(self) -> list[Second]:
        """Return the requests by the second in which they were due, in order."""
        tallies = self.tallies(lambda key: key.second)
        return [Second(second, one.requests, one.failed, one.latency) for second, one in sorted(tallies.items())]

    def tallies(self, of: Callable[[CellKey], K]) -> dict[K, Tally]:
        """Return the requests counted by what a function tells of their cells."""
        table = self._decoded()
        places: dict[K, int] = {}
        group = np.array([places.setdefault(of(key), len(places)) for key in table.keys], np.int64)
        answered = np.array([key.ok for key in table.keys], bool)
        latency = _sums(table.latency, group, len(places), answered)
        service = _sums(table.service, group, len(places), np.ones_like(answered))
        return {
            one: Tally(
                service[place].count, service[place].count - latency[place].count, latency[place], service[place]
            )
            for one, place in places.items()
        }

    def _decoded(self) -> _Table:
        self._keep_live()
        if self._table is None:
            kept = sorted(self._kept.items())
            self._table = _Table(
                keys=[key for key, _ in kept],
                latency=_rows([latency for _, (latency, _) in kept]),
                service=_rows([service for _, (_, service) in kept]),
            )
        return self._table

    def _keep_live(self) -> None:
        if self._live:
            self._table = None
        live, self._live = self._live, {}
        for key, cell in live.items():
            earlier = self._kept.get(key)
            if earlier is not None:
                cell.latency.merge(Histogram.decode(earlier[0]))
                cell.service.merge(Histogram.decode(earlier[1]))
            self._kept[key] = (cell.latency.encode(), cell.service.encode())


def _sum(one: str, other: str) -> str:
    together = Histogram.decode(one)
    together.merge(Histogram.decode(other))
    return together.encode()


def _rows(cells: list[str]) -> _Rows:
    decoded = [Bins.decode(one).arrays() for one in cells]
    none = np.empty(0, np.int64)
    return _Rows(
        cell=np.repeat(np.arange(len(decoded)), [len(counts) for _, counts in decoded]),
        longest=np.concatenate([none, *(longest for longest, _ in decoded)]),
        count=np.concatenate([none, *(counts for _, counts in decoded)]),
    )


def _sums(rows: _Rows, group: npt.NDArray[np.int64], groups: int, among: npt.NDArray[np.bool_]) -> list[Bins]:
    """Return the counts of each group of cells, looking only at the cells of ``among``."""
    chosen = among[rows.cell]
    # One number for both: sorted by group, then by duration.
    merged = (group[rows.cell[chosen]] << _BITS) + rows.longest[chosen]
    distinct, place = np.unique(merged, return_inverse=True)
    counts = np.zeros(len(distinct), np.int64)
    np.add.at(counts, place, rows.count[chosen])
    ends = np.searchsorted(distinct, np.arange(groups + 1) << _BITS)
    longest = distinct & ((1 << _BITS) - 1)
    return [Bins(longest[start:end], counts[start:end]) for start, end in pairwise(ends.tolist())]
