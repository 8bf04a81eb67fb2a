# SPDX-License-Identifier: Apache-2.0
"""Where an artifact is, as KServe's storage initializer can read it."""

from pathlib import Path
from typing import Final

from cluster.errors import ClusterError

#: What KServe's default ClusterStorageContainer reads, and what KServe mounts by itself.
SCHEMES: Final = ("s3", "gs", "hf", "https", "http", "pvc", "oci", "oci+native", "hdfs", "webhdfs")


_BUCKETS: Final = ("s3", "gs")
#: One file that the storage initializer unpacks, instead of a folder.
ARCHIVES: Final = (".tgz", ".tar.gz", ".tar", ".zip")


def folder_uri(uri: str) -> str:
    """Return a URI of an artifact as KServe has to be given it.

    In a bucket, KServe loads whatever begins with the URI: without a slash at its end, ``1.0.0-rc1`` together with
    ``1.0.0``.

    Raises:
        ClusterError: It is a path of this machine, has another scheme, or names nothing.
    """
    scheme, parted, rest = uri.partition("://")
    if scheme == "file" or not parted:
        what = "is on this machine" if Path(rest or uri).exists() else "is not a URI"
        raise ClusterError(
            f"{uri} {what}, and pods read artifacts from a store: upload it with "
            "`portside publish FOLDER s3://BUCKET`, and deploy the URI that this prints"
        )
    if scheme not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise ClusterError(f"{uri}: KServe reads no {scheme}:// (it reads {known})")
    if not rest.strip("/") or any(character.isspace() for character in uri):
        raise ClusterError(f"{uri} names no artifact: give the URI of its folder, such as s3://models/spam/1.0.0")
    is_folder = scheme in _BUCKETS and not uri.endswith(ARCHIVES)
    return f"{uri.rstrip('/')}/" if is_folder else uri


def version_of(uri: str) -> str:
    """Return an artifact's version as its URI tells it: its last part, without an archive's ending; else ``?``."""
    last = uri.rstrip("/").rpartition("/")[2]
    ending = next((each for each in ARCHIVES if last.endswith(each)), "")
    return last.removesuffix(ending) or "?"
