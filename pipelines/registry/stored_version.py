# SPDX-License-Identifier: Apache-2.0
"""A version as it lies in a registry."""

from dataclasses import dataclass
from datetime import datetime

from predictors.artifact import Manifest


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version, as much of it as can be told without fetching it.

    Attributes:
        version: The version.
        address: Where it is.
        published: When.
        size: Of all its files, in bytes.
        manifest: Its manifest; None where it cannot be read.
        fault: Why not; empty where it can.
    """

    version: str
    address: str
    published: datetime
    size: int
    manifest: Manifest | None
    fault: str
