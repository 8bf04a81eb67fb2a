# SPDX-License-Identifier: Apache-2.0
"""The pipeline image by its digest, so that a compiled pipeline always runs the code that it was compiled for."""

import json
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pipelines.errors import PipelineError

#: Names the image where no option does.
IMAGE_VARIABLE: Final = "PORTSIDE_PIPELINE_IMAGE"
#: Stands in compiled pipelines until somebody names an image: a digest that no image has, so that none is pulled.
PLACEHOLDER: Final = f"portside/pipeline@sha256:{'0' * 64}"
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
_REFERENCE: Final = re.compile(r"(?P<host>[^/]+\.[^/]+|[^/]+:\d+|localhost)/(?P<name>[a-z0-9._/-]+):(?P<tag>[\w.-]+)$")
_SECONDS: Final = 10.0
#: What a registry may answer for a tag: one image, or an index of several platforms'.
_MANIFESTS: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def pipeline_image(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the pipeline image with its digest: the one given, else that of the environment, else a placeholder.

    Args:
        given: ``NAME@sha256:DIGEST``, or ``HOST/NAME:TAG``, whose digest is asked of the registry at HOST.
        environ: May name it in ``PORTSIDE_PIPELINE_IMAGE``.

    Raises:
        PipelineError: It is neither, or its registry does not know it.
    """
    reference = given or environ.get(IMAGE_VARIABLE) or PLACEHOLDER
    if _DIGEST.search(reference):
        return reference
    parts = _REFERENCE.match(reference)
    if parts is None:
        raise PipelineError(
            f"{reference}: give the pipeline image as NAME@sha256:DIGEST (your registry, or `docker images --digests`, "
            "tells the digest), or as HOST/NAME:TAG, whose digest is then asked of the registry at HOST"
        )
    return f"{parts['host']}/{parts['name']}@{_digest_of(reference, **parts.groupdict())}"


def _digest_of(reference: str, *, host: str, name: str, tag: str) -> str:
    import requests

    scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:\d+)?$", host) else "https"
    url, headers = f"{scheme}://{host}/v2/{name}/manifests/{tag}", {"Accept": _MANIFESTS}
    try:
        answer = requests.head(url, headers=headers, timeout=_SECONDS)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {_token(answer.headers.get('WWW-Authenticate', ''))}"
            answer = requests.head(url, headers=headers, timeout=_SECONDS)
    except (requests.RequestException, ValueError) as err:
        raise PipelineError(
            f"{reference}: the registry cannot be asked for its digest ({err}); give NAME@sha256:DIGEST"
        ) from err
    digest = answer.headers.get("Docker-Content-Digest", "")
    if not _DIGEST.fullmatch(f"@{digest}"):
        raise PipelineError(
            f"{reference}: the registry tells no digest of it (HTTP {answer.status_code}); push it, or give "
            "NAME@sha256:DIGEST"
        )
    return str(digest)


def _token(challenge: str) -> str:
    """Return the token that a registry's challenge leads to for someone without an account (RFC 6750, section 3)."""
    import requests

    words = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = words.pop("realm", None)
    if realm is None:
        raise ValueError("it wants credentials")
    answer = requests.get(realm, params=words, timeout=_SECONDS)
    answer.raise_for_status()
    document: dict[str, Any] = json.loads(answer.content)
    token: str = document.get("token") or document.get("access_token") or ""
    return token
