# SPDX-License-Identifier: Apache-2.0
"""Where a rollout stands."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """A rollout's phase; ``docs/rollouts.md`` draws what leads from one to another."""

    PENDING = "Pending"
    """Waiting: for a rollout of the same service before it, then for the canary to be ready. No traffic."""
    SHADOWING = "Shadowing"
    """The canary gets copies of requests; its answers are compared and thrown away."""
    PROGRESSING = "Progressing"
    """The canary answers a share of the requests, which rises step by step."""
    PAUSED = "Paused"
    """The share stays as it is until somebody goes on; a canary that does harm is reverted all the same."""
    PROMOTING = "Promoting"
    """The service itself is brought to the new version, while the canary keeps its share."""
    PROMOTED = "Promoted"
    REVERTING = "Reverting"
    """No traffic any more; the canary goes."""
    REVERTED = "Reverted"
    INCONCLUSIVE = "Inconclusive"
    """Reverted because too little was seen, or nothing clear enough, before the deadline."""
    REFUSED = "Refused"
    """It asks for what cannot be; nothing was changed."""


#: A rollout in one of these changes nothing any more.
ENDED: Final = frozenset({Phase.PROMOTED, Phase.REVERTED, Phase.INCONCLUSIVE, Phase.REFUSED})
