# SPDX-License-Identifier: Apache-2.0
"""What one server has counted since it started, over all its workers and protocols."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Cumulative counts; all of them are 0 when a server starts, and never fall while it runs.

    Attributes:
        requests: Answered inference requests.
        failed: Those answered with a status of 5xx.
        rows: Rows of answered requests.
        seconds: How many requests took no longer than each bound and longer than the one below, by the bound in
            seconds as the metric has it (``0.005``, ``+Inf``); bounds without requests are left out.
        outputs: By output, how many values fell into each bin; bins without values are left out.
    """

    requests: int = 0
    failed: int = 0
    rows: int = 0
    seconds: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __add__(self, other: "Snapshot") -> "Snapshot":
        """Return the sums."""
        return Snapshot(
            requests=self.requests + other.requests,
            failed=self.failed + other.failed,
            rows=self.rows + other.rows,
            seconds=_sums(self.seconds, other.seconds),
            outputs={
                name: _sums(self.outputs.get(name, {}), other.outputs.get(name, {}))
                for name in {**self.outputs, **other.outputs}
            },
        )

    def since(self, before: "Snapshot") -> "Snapshot":
        """Return what was counted after an earlier look; all of it where a count has fallen: the server began anew."""
        if any(now < then for now, then in self._beside(before)):
            return self
        grown = {name: _growth(bins, before.outputs.get(name, {})) for name, bins in self.outputs.items()}
        return Snapshot(
            requests=self.requests - before.requests,
            failed=self.failed - before.failed,
            rows=self.rows - before.rows,
            seconds=_growth(self.seconds, before.seconds),
            outputs={name: bins for name, bins in grown.items() if bins},
        )

    def slower_than(self, bound: float) -> int:
        """Return how many requests took longer than a bound of the histogram, in seconds."""
        return sum(count for upper, count in self.seconds.items() if float(upper) > bound)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON has it; what is 0 or empty is left out, for it is written every second."""
        document = {
            "requests": self.requests,
            "failed": self.failed,
            "rows": self.rows,
            "seconds": dict(self.seconds),
            "outputs": {name: dict(bins) for name, bins in self.outputs.items()},
        }
        return {name: value for name, value in document.items() if value}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Snapshot":
        """Return what ``as_document`` has made."""
        return cls(**document)

    def _beside(self, before: "Snapshot") -> Iterator[tuple[int, int]]:
        """Yield each count that an earlier look has, as it is now and as it was then."""
        yield self.requests, before.requests
        yield self.failed, before.failed
        yield self.rows, before.rows
        for bound, count in before.seconds.items():
            yield self.seconds.get(bound, 0), count
        for name, bins in before.outputs.items():
            for label, count in bins.items():
                yield self.outputs.get(name, {}).get(label, 0), count


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _growth(now: Mapping[str, int], then: Mapping[str, int]) -> dict[str, int]:
    return {name: count - then.get(name, 0) for name, count in now.items() if count > then.get(name, 0)}
