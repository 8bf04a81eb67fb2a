# SPDX-License-Identifier: Apache-2.0
"""The object store of the place "kind", reached from this machine: artifacts as published, and files as one likes."""

import os
from pathlib import Path

import s3fs

from tests.e2e.use_cases import portside

PORT = int(os.environ.get("OBJECT_STORE_PORT", "30900"))
ROOT = "s3://models"

_ENDPOINT = f"http://127.0.0.1:{PORT}"
_CREDENTIALS = Path(__file__).parents[2] / "manifests/components/object-store/credentials.env"


def publish(artifact: Path) -> None:
    """Upload an artifact with ``portside publish``, in place of what an earlier run left there."""
    name, version = artifact.parts[-2:]
    s3 = _store()
    if s3.exists(f"models/{name}/{version}"):
        s3.rm(f"models/{name}/{version}", recursive=True)
    portside("publish", str(artifact), ROOT, "--endpoint-url", _ENDPOINT, environ=_credentials())


def upload(path: Path, key: str) -> None:
    """Upload one file as it is, which ``portside publish`` would refuse when it is no intact artifact's."""
    _store().pipe_file(f"models/{key}", path.read_bytes())


def _store() -> s3fs.S3FileSystem:
    access = _credentials()
    return s3fs.S3FileSystem(
        key=access["AWS_ACCESS_KEY_ID"],
        secret=access["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=_ENDPOINT,
        use_listings_cache=False,
    )


def _credentials() -> dict[str, str]:
    lines = _CREDENTIALS.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
