# SPDX-License-Identifier: Apache-2.0
"""A share of requests as it was measured, with bounds of the true one that hold at every look."""

from dataclasses import dataclass
from math import log
from typing import Final

from rollouts.statistics import bernoulli

#: Of the error that a comparison may make, the canary's bound has this share and the stable version's has the rest:
#: the canary has fewer requests, so its bound gains more.
_CANARY: Final = 0.75


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a number of requests.

    Attributes:
        part: How many.
        count: Of how many.
        effect: What to divide both by, see ``design_effect``; None: they prove nothing yet.
    """

    part: float
    count: float
    effect: float | None = 1.0

    @property
    def value(self) -> float:
        """The measured share; 0 without requests."""
        return self.part / self.count if self.count else 0.0

    @property
    def effective(self) -> tuple[float, float] | None:
        """Both numbers as those of independent requests; None where they prove nothing yet."""
        return None if self.effect is None else (self.part / self.effect, self.count / self.effect)

    def lower(self, error: float) -> float:
        """Return what the share is at least, at all looks, but for ``error``."""
        return 0.0 if self.effective is None else bernoulli.lower(*self.effective, error)

    def upper(self, error: float) -> float:
        """Return what the share is at most, at all looks, but for ``error``."""
        return 1.0 if self.effective is None else bernoulli.upper(*self.effective, error)

    def exceeds(self, share: float, error: float) -> bool:
        """Return whether it is proven, at all looks but for ``error``, to be above ``share``."""
        if self.effective is None:
            return False
        return bernoulli.log_evidence_above(*self.effective, bernoulli.log_odds(share)) >= -log(error)

    def falls_below(self, share: float, error: float) -> bool:
        """Return whether it is proven to be below ``share``; the counterpart of ``exceeds``."""
        if self.effective is None:
            return False
        return bernoulli.log_evidence_below(*self.effective, bernoulli.log_odds(share)) >= -log(error)


def most_increase(canary: Share, stable: Share, error: float) -> float:
    """Return how far the canary's share lies above the stable version's at most, at all looks, but for ``error``.

    It is the canary's upper bound less the stable version's lower one, among which the error is divided. From below,
    ``increase.least_increase`` does better.
    """
    errors = divided(error)
    return canary.upper(errors[0]) - stable.lower(errors[1])


def divided(error: float) -> tuple[float, float]:
    """Return the parts of an error that the canary's and the stable version's bounds have in a comparison."""
    return error * _CANARY, error * (1 - _CANARY)
