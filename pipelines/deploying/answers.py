# SPDX-License-Identifier: Apache-2.0
"""Whether whoever serves a version answers its golden requests as it was packed with."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias, cast

from pipelines.errors import StepError
from predictors.artifact import GOLDEN, Artifact
from predictors.errors import InvalidRequestError
from predictors.golden import GoldenRequests, golden_difference
from predictors.served_model import ServedModel
from predictors.v2.response import Answer

#: Sends a V2 request to the version and returns status and body of the answer.
Send: TypeAlias = Callable[[bytes], tuple[int, bytes]]


def wrong_answer(artifact: Artifact, send: Send) -> str | None:
    """Return how the first golden request that fails is answered; None when all are answered as they must be.

    Numbers may differ by the tolerance that the artifact states, texts and labels not at all.

    Args:
        artifact: The version.
        send: Asks whoever serves it.
    """
    golden = GoldenRequests.model_validate_json(artifact.path(GOLDEN).read_bytes())
    server = _Server(artifact.manifest.version, send)
    try:
        return golden_difference(cast(ServedModel, server), golden)
    except StepError as err:
        return str(err)


class _Server:
    """Answers as the model does in this process, from another one."""

    def __init__(self, version: str, send: Send) -> None:
        self._version = version
        self._send = send

    def answer(self, body: bytes) -> Answer:
        """Return the answer to a V2 request."""
        status, content = self._send(body)
        if status == HTTPStatus.BAD_REQUEST:
            raise InvalidRequestError(_told(content))
        if status != HTTPStatus.OK:
            raise StepError(f"it answers a golden request with HTTP {status}: {_told(content)}")
        version = json.loads(content).get("model_version")
        if version != self._version:
            raise StepError(f"it answers as version {version}, not as {self._version}")
        return Answer(content, None)


def _told(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:200]
