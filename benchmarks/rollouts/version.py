# SPDX-License-Identifier: Apache-2.0
"""A simulated version: what its pods answer in a second, and how fast."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: The bounds of the predictors' histogram in seconds, ten to a factor of ten.
_STEPS: Final = (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)
BOUNDS: Final = (*(float(f"{step}e{power}") for power in range(-4, 1) for step in _STEPS), 10.0)
#: How likely each tenth of a probability is; the upper five are labelled ``spam``.
_TENTHS: Final = np.array([0.55, 0.16, 0.08, 0.05, 0.03, 0.03, 0.02, 0.02, 0.02, 0.04])
_SPAM: Final = 5

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Version:
    """How a version answers.

    Attributes:
        failing: The share of requests that fail.
        median: Of the time to answer, in seconds; it is lognormal.
        spread: The standard deviation of its logarithm: 0.5 has a p99 of 3.2 medians, 1 of 10.
        times: What all times are multiplied by.
        added: Seconds added to all times.
        shift: The total variation distance that its outputs are shifted by.
        stalls: How often each pod stands still, per second.
        stall: For how long on average, in seconds; exponential.
        drift: The standard deviation of a slow change of each pod's times, in logarithms.
    """

    failing: float = 0.001
    median: float = 0.004
    spread: float = 0.5
    times: float = 1.0
    added: float = 0.0
    shift: float = 0.0
    stalls: float = 0.0
    stall: float = 0.5
    drift: float = 0.0

    @property
    def tenths(self) -> NDArray[np.float64]:
        """How likely each tenth of a probability is."""
        first = _TENTHS[0]
        shifted = _TENTHS.copy()
        shifted[0] -= self.shift
        shifted[_SPAM:] += self.shift / _SPAM
        if self.shift > first:
            raise ValueError(f"a shift of {self.shift} is more than the {first} that can be shifted")
        return shifted


@dataclass(frozen=True, slots=True)
class Second:
    """What a version has answered in a second.

    Attributes:
        requests: How many.
        failed: How many of them failed.
        times: How many by bin of the histogram, the last one above all bounds.
        tenths: How many by tenth of the probability.
    """

    requests: int
    failed: int
    times: Counts
    tenths: Counts


class Pods:
    """The pods of a version, second by second."""

    #: From second to second a pod's drift keeps this much of itself.
    _KEPT: Final = 0.9

    def __init__(self, version: Version, pods: int, random: np.random.Generator) -> None:
        """Start them."""
        self._version, self._random, self._pods = version, random, pods
        self._tenths = version.tenths
        self._now = 0.0
        self._stall_ends = self._stall_starts = np.full(pods, -1.0)
        self._drift = random.normal(0, version.drift, pods)

    def second(self, rate: float) -> Second:
        """Return what they answer in the next second, at a number of requests per second that arrive at random."""
        version, random = self._version, self._random
        requests = int(random.poisson(rate))
        times = version.median * np.exp(version.spread * random.standard_normal(requests))
        if version.stalls or version.drift:
            times = self._disturbed(times)
        times = times * version.times + version.added
        failed = int(random.binomial(requests, version.failing))
        bins = np.bincount(np.searchsorted(BOUNDS, times), minlength=len(BOUNDS) + 1)
        self._now += 1
        return Second(requests, failed, bins, random.multinomial(requests - failed, self._tenths))

    def _disturbed(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        version, random = self._version, self._random
        begins = random.random(self._pods) < version.stalls
        starts = self._now + random.random(self._pods)
        begins &= starts > self._stall_ends
        self._stall_starts = np.where(begins, starts, self._stall_starts)
        lengths = random.exponential(version.stall, self._pods)
        self._stall_ends = np.where(begins, starts + lengths, self._stall_ends)
        new = random.normal(0, version.drift * (1 - self._KEPT**2) ** 0.5, self._pods)
        self._drift = self._KEPT * self._drift + new
        pods = random.integers(self._pods, size=len(times))
        arrivals = self._now + random.random(len(times))
        stalled = (arrivals >= self._stall_starts[pods]) & (arrivals < self._stall_ends[pods])
        return times * np.exp(self._drift[pods]) + np.where(stalled, self._stall_ends[pods] - arrivals, 0.0)


def spam(tenths: Counts) -> int:
    """Return how many outputs are labelled ``spam``."""
    return int(tenths[_SPAM:].sum())
