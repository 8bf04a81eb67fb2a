# SPDX-License-Identifier: Apache-2.0
"""JSON merge patches (RFC 7386) between two documents."""

from collections.abc import Mapping
from typing import Any


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes one document another; empty where they are the same.

    Args:
        before: The document as it is.
        after: As it shall be; entries that are None shall not be there.
    """
    patch: dict[str, Any] = {key: None for key in before if after.get(key) is None}
    for key, value in after.items():
        there = before.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            if changes := merge_patch(there, value):
                patch[key] = changes
        elif value != there:
            patch[key] = value
    return patch
