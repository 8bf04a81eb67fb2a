# SPDX-License-Identifier: Apache-2.0
"""Why a version is not published, in the same words wherever a registry lives."""

from pipelines.registry.errors import RegistryError, VersionExistsError
from predictors.artifact import MANIFEST, Artifact


def exists(address: str, there: bytes | None, artifact: Artifact) -> VersionExistsError:
    """Return the error that says whether the version that is there is the one to be published."""
    if there == artifact.path(MANIFEST).read_bytes():
        return VersionExistsError(f"{address}: this version exists, and is this very artifact")
    return VersionExistsError(f"{address}: this version exists with another content; choose a new version")


def half_deleted(address: str, name: str, version: str) -> RegistryError:
    """Return the error that says that a version is on its way out."""
    return RegistryError(
        f"{address}: this version is being deleted; where that was interrupted, finish it with "
        f"`portside models delete {name} {version}`"
    )
