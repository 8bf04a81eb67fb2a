# SPDX-License-Identifier: Apache-2.0
"""A histogram of durations, exact to 0.1 % whatever their size, that adds up without loss: HdrHistogram's."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

#: The longest duration told apart from longer ones: one hour, in microseconds.
LONGEST: Final = 3_600_000_000

_DIGITS: Final = 3

_Arrays = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Counted(ABC):
    """Durations that were counted, in HdrHistogram's bins."""

    @abstractmethod
    def arrays(self) -> _Arrays:
        """Return, of each bin that holds something, its longest duration in microseconds, and its count; in order."""

    @property
    def count(self) -> int:
        """How many durations there are."""
        return int(self.arrays()[1].sum())

    def value_at_rank(self, rank: int) -> int:
        """Return the rank-th smallest duration (from 1 to ``count``), in microseconds, at most 0.1 % too long.

        Raises:
            ValueError: There is no such rank.
        """
        longest, counts = self.arrays()
        up_to = np.cumsum(counts)
        count = int(up_to[-1]) if len(up_to) else 0
        if not 1 <= rank <= count:
            raise ValueError(f"no rank {rank} among {count} durations")
        return int(longest[np.searchsorted(up_to, rank)])

    def percentile(self, share: float) -> int:
        """Return the shortest duration that at least this share of all reaches, in microseconds (nearest rank).

        Args:
            share: In (0, 1]: 0.99 for p99.

        Raises:
            ValueError: There are no durations.
        """
        return self.value_at_rank(max(math.ceil(share * self.count), 1))

    def count_above(self, microseconds: int) -> int:
        """Return how many durations are longer; those within 0.1 % of it may fall on either side."""
        longest, counts = self.arrays()
        return int(counts[np.searchsorted(longest, microseconds, side="right") :].sum())

    def bins(self) -> Iterator[tuple[int, int]]:
        """Yield each bin that holds something: its longest duration in microseconds, and its count; in order."""
        longest, counts = self.arrays()
        yield from zip(longest.tolist(), counts.tolist(), strict=True)


class Bins(Counted):
    """Counts to read: as large as the bins that hold something, where a ``Histogram`` always has 200 kB."""

    def __init__(self, longest: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> None:
        """Keep what ``arrays`` returns."""
        self._arrays = longest, counts

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """Return what ``Histogram.encode`` wrote.

        Raises:
            ValueError: It wrote something else.
        """
        return cls(*Histogram.decode(encoded).arrays())

    def arrays(self) -> _Arrays:
        """Return, of each bin that holds something, its longest duration in microseconds, and its count; in order."""
        return self._arrays


class Histogram(Counted):
    """Counts of durations in whole microseconds, from 1 to ``LONGEST``; what lies outside counts as the nearest."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, LONGEST, _DIGITS)

    @property
    def count(self) -> int:
        """How many durations were added."""
        return int(self._counts.get_total_count())

    def add(self, microseconds: int) -> None:
        """Count one duration."""
        self._counts.record_value(min(max(microseconds, 1), LONGEST))

    def merge(self, other: Self) -> None:
        """Add another's counts to these; the sum is what one histogram of all durations would hold."""
        self._counts.add(other._counts)

    def arrays(self) -> _Arrays:
        """Return, of each bin that holds something, its longest duration in microseconds, and its count; in order."""
        counts = np.frombuffer(self._counts.counts, dtype=np.int64)
        (places,) = np.nonzero(counts)
        return _longest_of_bins()[places], counts[places]

    def encode(self) -> str:
        """Return the counts in HdrHistogram's own compressed form, base64."""
        encoded: bytes = self._counts.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """Return the histogram that ``encode`` wrote.

        Raises:
            ValueError: It wrote something else.
        """
        try:
            counts = HdrHistogram.decode(encoded)
        except (HdrCookieException, HdrLengthException, IndexError, TypeError, ValueError, zlib.error) as err:
            raise ValueError(f"not an encoded histogram: {err}") from err
        has = counts.lowest_trackable_value, counts.highest_trackable_value, counts.significant_figures
        if has != (1, LONGEST, _DIGITS):
            raise ValueError(f"an encoded histogram of other bins: {has}")
        histogram = cls.__new__(cls)
        histogram._counts = counts
        return histogram


@cache
def _longest_of_bins() -> npt.NDArray[np.int64]:
    """Return the longest duration of each bin, in microseconds."""
    any_counts = HdrHistogram(1, LONGEST, _DIGITS)
    values = (any_counts.get_value_from_index(index) for index in range(any_counts.counts_len))
    return np.array([any_counts.get_highest_equivalent_value(value) for value in values], dtype=np.int64)
