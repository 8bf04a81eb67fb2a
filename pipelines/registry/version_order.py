# SPDX-License-Identifier: Apache-2.0
"""The order of versions, and the one that comes next."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from packaging.version import InvalidVersion, Version

_FIRST: Final = "1.0.0"


def sorted_versions(versions: Iterable[str]) -> list[str]:
    """Return versions, lowest first, in the order of PEP 440: ``1.0.0rc1``, ``1.0.0``, ``1.2.0``, ``1.10.0``.

    A model's version may be any plain name. Names that are no version of PEP 440 come first, by their text.
    """
    return sorted(versions, key=_key)


def next_version(versions: Sequence[str]) -> str:
    """Return the next minor version: ``1.0.0`` when there is none yet, after ``1.4.2`` comes ``1.5.0``."""
    parsed = [version for version in map(_parsed, versions) if version is not None]
    if not parsed:
        return _FIRST
    highest = max(parsed)
    return f"{highest.major}.{highest.minor + 1}.0"


def _key(version: str) -> tuple[Any, ...]:
    parsed = _parsed(version)
    # The text decides between spellings of one version, as 1.0 and 1.0.0.
    return (0, version) if parsed is None else (1, parsed, version)


def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None
