# SPDX-License-Identifier: Apache-2.0
"""What one served model counts: requests, times, rows, batches and outputs, each at its place in shared counters."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from predictors.served_model import ServedModel
from predictors.serving.metrics.counters import Counters
from predictors.serving.metrics.output_counts import OutputCounts
from predictors.serving.scored import Scored

PROTOCOLS: Final = ("rest", "grpc", "v1")
#: Every status that an inference request can be answered with; gRPC's codes are counted as their HTTP equals.
CODES: Final = (200, 400, 404, 405, 413, 415, 429, 500, 503, 504)
#: Each of ten bounds is 1.25 to 1.28 times the one below, so that what takes a quarter longer lies in another bin.
_STEPS: Final = (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)
#: Upper bounds of the latency histograms in seconds, from 0.1 ms to 10 s.
SECONDS: Final = (*(float(f"{step}e{power}") for power in range(-4, 1) for step in _STEPS), 10.0)
#: Upper bounds of the histogram of rows scored in one call.
BATCH_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)

_NANOSECONDS: Final = tuple(round(bound * 1e9) for bound in SECONDS)


class Histogram:
    """The places of a histogram: a count for each bound and one for what lies above, then the sum of the values.

    Attributes:
        start: Its first place.
        bounds: Upper bounds, inclusive, in the unit of the values.
        sum: The place of the sum.
        end: The place after its last one.
    """

    __slots__ = ("bounds", "end", "start", "sum")

    def __init__(self, start: int, bounds: tuple[int, ...]) -> None:
        self.start = start
        self.bounds = bounds
        self.sum = start + len(bounds) + 1
        self.end = self.sum + 1

    def add(self, counters: memoryview, value: int) -> None:
        """Count one value."""
        counters[self.start + bisect_left(self.bounds, value)] += 1
        counters[self.sum] += value


class Meter:
    """The counters of one served model version.

    Attributes:
        counters: Where everything is counted.
        requests: By protocol and code, the place of its count.
        durations: By protocol, the histogram of the time to each answer in nanoseconds.
        queue: The histogram of the time that requests waited for the scorer, in nanoseconds.
        batch: The histogram of rows in each call of the scorer.
        outputs: The outputs by bin of the reference distribution.
    """

    def __init__(self, model: ServedModel, *, workers: int = 1) -> None:
        """Lay out the counters and take their memory."""
        self.requests: Mapping[str, Mapping[int, int]] = {
            protocol: {code: place * len(CODES) + index for index, code in enumerate(CODES)}
            for place, protocol in enumerate(PROTOCOLS)
        }
        place = len(PROTOCOLS) * len(CODES)
        self.durations: dict[str, Histogram] = {}
        for protocol in PROTOCOLS:
            self.durations[protocol] = Histogram(place, _NANOSECONDS)
            place = self.durations[protocol].end
        self._answered = {
            protocol: (self.requests[protocol][200], durations.start, durations.sum)
            for protocol, durations in self.durations.items()
        }
        self.queue = Histogram(place, _NANOSECONDS)
        self.batch = Histogram(self.queue.end, BATCH_ROWS)
        place = self.batch.end
        self.in_flight, self.rows, self.last, self.fail = range(place, place + 4)
        self.read, self.score, self.write = range(place + 4, place + 7)
        self.outputs = OutputCounts(model.reference, model.signature, place + 7)
        self.counters = Counters(place + 7 + self.outputs.size, workers)

    def enter(self) -> None:
        """Count a request that is on its way."""
        self.counters.mine[self.in_flight] += 1

    def leave(self) -> None:
        """Count it as gone."""
        self.counters.mine[self.in_flight] -= 1

    def answered(self, protocol: str, now: int, scored: Scored, rows: int, *, total: int, read: int) -> None:
        """Count a request that got its answer.

        Args:
            protocol: How it came.
            now: The time, in nanoseconds of ``time.perf_counter_ns``.
            scored: Its outputs and their times.
            rows: How many rows it had.
            total: Nanoseconds from its arrival to its answer.
            read: Nanoseconds of them from its arrival to its tensors.
        """
        counters = self.counters.mine
        outputs, queued, score, tally, alone = scored
        # The histograms' own way of adding is written out here: every answered request comes by.
        answered, bucket, elapsed = self._answered[protocol]
        counters[answered] += 1
        counters[bucket + bisect_left(_NANOSECONDS, total)] += 1
        counters[elapsed] += total
        counters[self.rows] += rows
        counters[self.read] += read
        counters[self.score] += score
        counters[self.write] += total - read - queued - score
        counters[self.last] = now
        if alone:
            counters[self.batch.start + bisect_left(BATCH_ROWS, rows)] += 1
            counters[self.batch.sum] += rows
        self.outputs.count(counters, outputs, rows, tally)

    def refused(self, protocol: str, code: int, total: int) -> None:
        """Count a request that got an error, after so many nanoseconds."""
        counters = self.counters.mine
        counters[self.requests[protocol][code if code in CODES else 500]] += 1
        self.durations[protocol].add(counters, total)
        counters[self.fail] += total

    def scored(self, rows: int) -> None:
        """Count one call of the scorer for so many rows."""
        self.batch.add(self.counters.mine, rows)

    def waited(self, nanoseconds: int) -> None:
        """Count the time that one request waited for the scorer."""
        self.queue.add(self.counters.mine, nanoseconds)

    def use_row(self, worker: int) -> None:
        """Count in a worker's own row, in which nothing is in flight yet."""
        self.counters.use_row(worker)
        self.counters.mine[self.in_flight] = 0
