# SPDX-License-Identifier: Apache-2.0
"""How much less correlated requests tell about a share than as many independent ones would.

A server that stalls makes all requests of that moment slow, so the bad requests of a run come in bunches: 60 bad ones
may be one event and not 60. The design effect (Kish, Survey Sampling, 1965, section 8.2) is the variance of the
measured share divided by the one that independent requests would give, share * (1 - share) / count; dividing the number
of requests by it gives the effective number, which the intervals take.

The variance is that of whole blocks of time, taken as the sample's clusters. Blocks hold unequal numbers of requests,
so it is the ratio estimator's (Cochran, Sampling Techniques, 1977, section 6.3): for B blocks with x_b bad of n_b
requests, p = sum x / sum n and d_b = x_b - p n_b,

    variance = B / (B - 1) * sum d_b^2 / (sum n)^2

What reaches from one block into the next is missing from it. Therefore blocks of 1, 2, 4, 8... seconds are tried, as
long as there are ten of them, and so is, for each length, twice its variance less that of half the length, which
cancels the first order of what is missing (the lugsail batch means of Vats & Flegal, Biometrika 109, 2022). The
largest of all counts.

The estimate is itself uncertain, so it is multiplied by (t / z)^2, where t and z are the quantiles of Student's and of
the normal distribution at the bound's level (Korn & Graubard, Survey Methodology 24, 1998). A lower bound of the share
takes B - 1 degrees of freedom. An upper bound needs more care: where by luck few bad moments were seen, both the share
and its variance come out too small. It takes the degrees of freedom that the blocks show, after Satterthwaite
(Biometrics 2, 1946), 2 (sum d^2)^2 / (sum d^4 - (sum d^2)^2 / B): about B - 1 when the blocks differ smoothly, twice
the number of bad blocks when few of them hold all that is bad; but at least 4, below which the margin would grow out
of proportion (in simulation the stated level holds with it).

What this cannot do: a bad moment that is longer and rarer than the run can show is not seen. With a share s at the
limit, the stated level needs a run long enough for about six bad moments at that share: s * seconds >= 6 * their
length. A p99 over 60 s can vouch for stalls of up to 0.1 s, over 600 s of up to 1 s.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

#: Of blocks longer than a second there must be as many as this.
_FEWEST_BLOCKS: Final = 10
#: An upper bound's margin is never greater than with this many degrees of freedom, unless there are fewer blocks.
_FEWEST_DEGREES: Final = 4.0


@dataclass(frozen=True, slots=True)
class DesignEffect:
    """What to divide the number of requests by, 1 or more."""

    plain: float
    """As estimated."""
    lower: float
    """For a lower bound of the share: with a margin for the estimate's own uncertainty."""
    upper: float
    """For an upper bound of the share."""


def design_effect(bad: NDArray[np.int64], requests: NDArray[np.int64], error: float) -> DesignEffect:
    """Return the design effect of a run's share of bad requests.

    Args:
        bad: How many bad requests were due in each second of the run, in order, seconds without any included.
        requests: How many requests were due in each second.
        error: The error of the bound that it is for, such as 0.025.
    """
    count, found = int(requests.sum()), int(bad.sum())
    if found in (0, count):
        return DesignEffect(1.0, 1.0, 1.0)
    if len(requests) < 2:  # noqa: PLR2004
        # One second does not show how its requests hang together: they count as one.
        return DesignEffect(float(count), float(count), float(count))
    share = found / count
    independent = count * share * (1 - share)
    z = float(ndtri(error))
    plain = lower = upper = 1.0
    shorter: float | None = None
    length = 1
    while length == 1 or len(requests) // length >= _FEWEST_BLOCKS:
        residuals = _in_blocks(bad, length) - share * _in_blocks(requests, length)
        blocks = len(residuals)
        squares = float((residuals**2).sum())
        effect = blocks / (blocks - 1) * squares / independent
        corrected = effect if shorter is None else max(effect, 2 * effect - shorter)
        plain = max(plain, corrected)
        lower = max(lower, corrected * _margin(blocks - 1, error, z))
        upper = max(upper, corrected * _margin(_degrees_of_freedom(residuals, squares), error, z))
        shorter = effect
        length *= 2
    return DesignEffect(plain, lower, upper)


def _in_blocks(counts: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    blocks = len(counts) // length
    # Spread over all seconds: were the rest cut off, the end of the run would not count.
    starts = -(-np.arange(blocks) * len(counts) // blocks)
    return np.add.reduceat(counts, starts).astype(np.float64)


def _degrees_of_freedom(residuals: NDArray[np.float64], squares: float) -> float:
    blocks = len(residuals)
    spread = float((residuals**4).sum()) - squares**2 / blocks
    if spread <= 0:
        return blocks - 1
    return min(blocks - 1, max(_FEWEST_DEGREES, 2 * squares**2 / spread))


def _margin(degrees: float, error: float, z: float) -> float:
    return float(stdtrit(degrees, error) / z) ** 2
