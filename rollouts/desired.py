# SPDX-License-Identifier: Apache-2.0
"""What a rollout wants of the cluster at a moment; whatever was done already is done again without harm."""

from dataclasses import dataclass
from typing import Final

from cluster.services.artifact_uri import version_of
from rollouts.phases import Phase
from rollouts.status import Canary, Former, Status

#: The phases in which a header pins a request to a version; in all others one of them has no pods to answer it.
_PINNED: Final = frozenset({Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING})


@dataclass(frozen=True, slots=True)
class Desired:
    """What shall be.

    Attributes:
        touched: Whether the rollout has anything to say at all; False: the cluster is left as it is.
        canary: The second set of pods; None: there shall be none.
        traffic: Its share of the requests in per cent.
        mirror: Whether it gets copies of all requests.
        stable_version: The version that the header ``x-portside-version`` pins to the service itself.
        canary_version: The one that it pins to the canary; None: no pins.
        storage_uri: What the service itself shall serve; None leaves that.
        former: How many pods the service had, which its canary's come on top of; None before it began.
    """

    touched: bool = False
    canary: Canary | None = None
    traffic: int = 0
    mirror: bool = False
    stable_version: str | None = None
    canary_version: str | None = None
    storage_uri: str | None = None
    former: Former | None = None


def desired(status: Status) -> Desired:
    """Return what a rollout wants of the cluster, from its status alone."""
    former = status.former
    if former is None or status.done:
        return Desired()
    canary = status.canary if status.phase in _PINNED else None
    return Desired(
        touched=True,
        canary=status.canary,
        traffic=status.traffic,
        mirror=status.mirror,
        # Once the service itself is on its way to the new version, its pods are of both.
        stable_version=version_of(former.storage_uri) if canary is not None and status.storage_uri is None else None,
        canary_version=version_of(canary.storage_uri) if canary is not None else None,
        storage_uri=status.storage_uri,
        former=former,
    )
