# SPDX-License-Identifier: Apache-2.0
"""Which kind of registry a root means."""

from pathlib import Path

from pipelines.registry.bucket_registry import BucketRegistry
from pipelines.registry.errors import RegistryError
from pipelines.registry.folder_registry import FolderRegistry
from pipelines.registry.object_store import ObjectStore
from pipelines.registry.registry import Registry


def open_registry(root: str, *, endpoint_url: str | None = None) -> Registry:
    """Return the registry under a root; nothing is asked of it yet.

    Args:
        root: ``s3://bucket[/prefix]``, ``gs://bucket[/prefix]``, or a local folder, as a path or ``file://`` with an
            absolute one. A folder need not exist.
        endpoint_url: An S3 or Google Cloud Storage server of one's own; None takes the usual settings, as
            ``AWS_ENDPOINT_URL``.

    Raises:
        RegistryError: The root is no such place, or a package for it is not installed.
    """
    if not root:
        raise RegistryError("the registry's root is empty; give s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or a folder")
    scheme, parted, place = root.partition(":/")
    if parted and scheme in ("s3", "gs", "file") and not place.startswith("/"):
        raise RegistryError(f"{root}: a slash is missing; write {scheme}:{'///' if scheme == 'file' else '//'}{place}")
    if "://" in root and not root.startswith("file://"):
        return BucketRegistry(ObjectStore(root, endpoint_url=endpoint_url))
    if endpoint_url is not None:
        raise RegistryError(f"{root}: a local folder has no endpoint; leave --endpoint-url out, or give s3://BUCKET")
    path = Path(root.removeprefix("file://"))
    if root.startswith("file://") and not path.is_absolute():
        raise RegistryError(f"{root}: file:// takes an absolute path, as in file:///srv/models")
    return FolderRegistry(path)
