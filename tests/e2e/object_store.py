# SPDX-License-Identifier: Apache-2.0
"""The object store of the place "kind", reached from this machine: artifacts as published, and files as one likes."""

import os
from pathlib import Path

import s3fs

from tests.e2e.use_cases import portside

PORT = int(os.environ.get("OBJECT_STORE_PORT", "30900"))
ROOT = "s3://models"

_CREDENTIALS = Path(__file__).parents[2] / "manifests/components/object-store/credentials.env"


def publish(artifact: Path) -> None:
    """Upload an artifact with ``portside publish``, in place of what an earlier run left there."""
    forget("/".join(artifact.parts[-2:]))
    portside("publish", str(artifact), ROOT, environ=environ())


def forget(key: str) -> None:
    """Delete what is below a key, if anything is."""
    s3 = _store()
    if s3.exists(f"models/{key}"):
        s3.rm(f"models/{key}", recursive=True)


def upload(path: Path, key: str) -> None:
    """Upload one file as it is, which ``portside publish`` would refuse when it is no intact artifact's."""
    _store().pipe_file(f"models/{key}", path.read_bytes())


def read(key: str) -> bytes:
    """Return a file's content."""
    content: bytes = _store().cat_file(f"models/{key}")
    return content


def environ() -> dict[str, str]:
    """Return the variables with which S3 clients find the store and are let in."""
    lines = _CREDENTIALS.read_text().splitlines()
    access = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {**access, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}"}


def _store() -> s3fs.S3FileSystem:
    access = environ()
    return s3fs.S3FileSystem(
        key=access["AWS_ACCESS_KEY_ID"],
        secret=access["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=access["AWS_ENDPOINT_URL"],
        use_listings_cache=False,
    )
