# SPDX-License-Identifier: Apache-2.0
"""The versions that are rolled out: those as good as the stable one, and those with a fault of a known size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from benchmarks.rollouts.version import Version


class Scenario(NamedTuple):
    """A kind of rollout.

    Attributes:
        name: What is rolled out.
        canary: The new version.
        stable: The one that it is compared with.
    """

    name: str
    canary: Version
    stable: Version


_STEADY: Final = Version()
#: A p99 of 41 ms, limit 50: ten times the median.
_HEAVY: Final = Version(spread=1.0)
#: Stalls at 0.5 % of the time, on each pod for itself, and 20 % slower or faster for ten seconds or so.
_STALLING: Final = Version(spread=0.7, failing=0.002, stalls=0.01, stall=0.5, drift=0.2)

EQUAL: Final = tuple(
    Scenario(name, version, version)
    for name, version in (("steady", _STEADY), ("heavy-tailed", _HEAVY), ("stalling and drifting", _STALLING))
)


def faults() -> Iterator[Scenario]:
    """Yield the faults, by kind and rising, each against a steady version."""
    for more in (0.005, 0.01, 0.02, 0.05, 0.1):
        canary = replace(_STEADY, failing=_STEADY.failing + more)
        yield Scenario(f"errors +{more * 100:g} %", canary, _STEADY)
    for times in (1.3, 1.5, 2.0, 3.0):
        yield Scenario(f"latency x {times:g}", replace(_STEADY, times=times), _STEADY)
    yield Scenario("latency +50 ms", replace(_STEADY, added=0.05), _STEADY)
    for shift in (0.1, 0.15, 0.2, 0.3, 0.5):
        yield Scenario(f"predictions shifted by {shift:g}", replace(_STEADY, shift=shift), _STEADY)
