# SPDX-License-Identifier: Apache-2.0
"""The registry: where versions of models live, what names they go by, and what runs have noted about them.

In a local folder or a bucket: ``<root>/<name>/<version>/`` is a version, never overwritten;
``<root>/<name>/.aliases/`` the log of its aliases; paths that begin with a dot, notes of runs.
"""

from pipelines.registry.aliases import CHAMPION, PREVIOUS, AliasChange, Aliases
from pipelines.registry.errors import RegistryError, UnknownVersionError, VersionExistsError
from pipelines.registry.opening import open_registry
from pipelines.registry.records import Records
from pipelines.registry.registry import Registry
from pipelines.registry.stored_version import StoredVersion
from pipelines.registry.version_order import next_version, sorted_versions

__all__ = [
    "CHAMPION",
    "PREVIOUS",
    "AliasChange",
    "Aliases",
    "Records",
    "Registry",
    "RegistryError",
    "StoredVersion",
    "UnknownVersionError",
    "VersionExistsError",
    "next_version",
    "open_registry",
    "sorted_versions",
]
