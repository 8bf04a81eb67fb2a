# SPDX-License-Identifier: Apache-2.0
"""Which of two versions is the newer one."""

from packaging.version import InvalidVersion, Version


def is_newer(version: str, present: str) -> bool:
    """Return whether a version comes after the present one in the order of PEP 440; False where they have no order."""
    try:
        return Version(version) > Version(present)
    except InvalidVersion:
        return False
