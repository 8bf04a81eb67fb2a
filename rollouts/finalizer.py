# SPDX-License-Identifier: Apache-2.0
"""The mark of a rollout that has changed something: its object is not gone before that is as it shall be."""

from collections.abc import Mapping
from typing import Any, Final

from rollouts.phases import ENDED

FINALIZER: Final = "portside.dev/rollout"


def has_finalizer(document: Mapping[str, Any]) -> bool:
    """Return whether a ModelRollout bears the mark."""
    return FINALIZER in document["metadata"].get("finalizers", [])


def is_under_way(document: Mapping[str, Any]) -> bool:
    """Return whether a ModelRollout has anything left to do."""
    return has_finalizer(document) or document.get("status", {}).get("phase") not in ENDED
