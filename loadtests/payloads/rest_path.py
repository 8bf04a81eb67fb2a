# SPDX-License-Identifier: Apache-2.0
"""Where a model is asked over REST."""

from urllib.parse import quote


def infer_path(model: str, version: str | None) -> str:
    """Return the path of V2's inference requests to a model, or to one version of it."""
    of_version = "" if version is None else f"/versions/{quote(version, safe='')}"
    return f"/v2/models/{quote(model, safe='')}{of_version}/infer"
