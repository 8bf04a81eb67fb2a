# SPDX-License-Identifier: Apache-2.0
"""A rollout that has begun, and whose spec cannot be read any more, by rules that were others then; pure.

It stays where it is: nothing of its traffic or its pods is changed for want of a spec. It is watched as one that is
paused, and can still be ended, by aborting or by deleting it; what was on its way back goes on.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rollouts.phases import Phase
from rollouts.spec import End, Rollout
from rollouts.status import Status

#: Phases that lead on to others by what the spec says: in these nothing is decided without one.
_STOOD_STILL: Final = frozenset({Phase.PENDING, Phase.PROMOTING})


def as_far_as_told(document: Mapping[str, Any]) -> Rollout:
    """Return a rollout that cannot be read, as one that is paused: what it is about, and whether it is aborted."""
    metadata, spec = document["metadata"], document["spec"]
    return Rollout(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        service=str(spec.get("inferenceService", "")),
        storage_uri=str(spec.get("storageUri", "")),
        paused=True,
        end=End.ABORT if spec.get("end") == End.ABORT else None,
    )


def stands_still(rollout: Rollout, status: Status) -> bool:
    """Return whether nothing may be decided of a rollout that cannot be read."""
    return status.phase in _STOOD_STILL and rollout.end is not End.ABORT


def with_trouble(rollout: Rollout, before: Status, after: Status, wrong: str, now: datetime) -> Status:
    """Return the status of a rollout that cannot be read with a word about that, where it keeps it from going on.

    Args:
        rollout: The rollout, as far as it is told.
        before: What it had come to.
        after: What it has come to.
        wrong: Why it cannot be read.
        now: When this was seen.
    """
    if after.phase not in {*_STOOD_STILL, Phase.PAUSED}:
        return after
    told = (
        f"its spec cannot be read: {wrong}; {rollout.version} stays as it is, at {after.traffic} % of the requests, "
        "until this rollout is aborted or deleted"
    )
    if before.verdict == told:
        return replace(after, verdict=told)
    return after.decide(now, after.phase, "Unreadable", told)
