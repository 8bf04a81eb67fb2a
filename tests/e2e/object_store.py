# SPDX-License-Identifier: Apache-2.0
"""The object store of the place "kind": reached from this machine, and given a volume where nothing provides one."""

import os
from pathlib import Path

from tests.e2e.use_cases import portside

PORT = int(os.environ.get("OBJECT_STORE_PORT", "30900"))
ROOT = "s3://models"


def credentials() -> dict[str, str]:
    """Return the environment that lets S3 clients into the store."""
    raise NotImplementedError


def publish(artifact: Path, *, check: bool = True) -> str:
    """Upload an artifact with ``portside publish`` and return what it said."""
    done = portside("publish", str(artifact), ROOT, check=check, **credentials())
    return done.stdout + done.stderr
