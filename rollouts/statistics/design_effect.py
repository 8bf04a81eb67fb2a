# SPDX-License-Identifier: Apache-2.0
"""How much less correlated requests tell about a share than as many independent ones would.

A pod that stalls makes all requests of that moment slow: 50 slow requests may be one event and not 50. The design
effect (Kish, Survey Sampling, 1965, section 8.2) is the variance of the measured share divided by the one that
independent requests would give. The clusters are blocks of time, one for each look; they hold unequal numbers of
requests, so the variance is the ratio estimator's (Cochran, Sampling Techniques, 1977, section 6.3): for B blocks with
x_b bad of n_b requests, n = sum n_b and p = sum x_b / n,

    effect = B / (B - 1) * sum (x_b - p n_b)^2 / (n p (1 - p))

Sum (x_b - p n_b)^2 = sum x_b^2 - 2 p sum x_b n_b + p^2 sum n_b^2, so three sums are enough and nothing need be kept of
the single blocks. All bad requests in one block come to one event: the effect is about their number. As many bad ones
in each block as the share has it come to independent requests: the effect is 1.

What reaches from one block into the next does not show in these sums, so an event of three seconds would count as
three. Where there are bunches, they are taken to reach over three blocks: what the effect has above 1, and above its
own standard error for independent requests, counts three times. That standard error is sqrt((2 + 1/m) / B), where
m = n p (1 - p) / B is how much the bad ones of a block vary; for fewer bad ones it is greater, as a binomial number's
fourth moment is.

What this cannot do: it is an estimate and not part of the guarantee, which is exact for independent requests. A pod
that is slow for ten seconds on end still counts as several events, and it must: what begins to fail for good looks
just so. Events that have not been seen at all have no effect yet, in either direction.
"""

from math import sqrt
from typing import Final

#: Fewer blocks than this do not show how their requests hang together: nothing is concluded from them.
FEWEST_BLOCKS: Final = 5
#: How many blocks a bunch is taken to reach over.
_REACH: Final = 3


def design_effect(
    part: int, count: int, *, blocks: int, part_squares: int, products: int, count_squares: int
) -> float | None:
    """Return what to divide the counts by, 1 or more; None where there are too few blocks to tell.

    Args:
        part: How many of the requests are bad.
        count: How many there are.
        blocks: The number of blocks that have requests.
        part_squares: sum x_b^2.
        products: sum x_b n_b.
        count_squares: sum n_b^2.
    """
    if blocks < FEWEST_BLOCKS:
        return None
    if part in (0, count):
        return 1.0
    share = part / count
    squares = part_squares - 2 * share * products + share**2 * count_squares
    independent = count * share * (1 - share)
    effect = blocks / (blocks - 1) * squares / independent
    deviation = sqrt((2 + blocks / independent) / blocks)
    return max(1.0, effect, 1 + _REACH * (effect - 1 - deviation))
