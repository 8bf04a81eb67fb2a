# SPDX-License-Identifier: Apache-2.0
"""From an inference request to a whole reply: one pure function, shared by the fast path and the ASGI layer."""

import logging
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from predictors.errors import InvalidRequestError, PredictorError
from predictors.served_model import ServedModel
from predictors.v2.response import error_body

_log = logging.getLogger(__name__)

JSON_LENGTH: Final = b"inference-header-content-length"
_MOST_DIGITS: Final = 18

#: Names in lower case, and values.
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """A reply, short of the connection's own headers.

    Attributes:
        status: The HTTP status.
        body: The body.
        headers: What tells of the body, ``content-type`` and ``content-length`` among them.
    """

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def reply_to(model: ServedModel, body: bytes, headers: Headers) -> Reply:
    """Return a model's reply to the body of an inference request; what goes wrong is a reply too."""
    try:
        answer = model.answer(body, _json_length(headers))
    except Exception as err:
        # The request's edge: whatever goes wrong inside ends here.
        return reply_of_error(err)
    if answer.json_length is None:
        return json_reply(HTTPStatus.OK, answer.body)
    described = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % len(answer.body)),
        (JSON_LENGTH, b"%d" % answer.json_length),
    ]
    return Reply(HTTPStatus.OK, answer.body, described)


def reply_of_error(err: Exception) -> Reply:
    """Return the reply that an error makes; one that nobody raised on purpose is logged, and its text kept inside."""
    if isinstance(err, PredictorError):
        return json_reply(err.status, error_body(str(err)))
    incident = uuid.uuid4().hex
    _log.error("failed to answer a request: %s", incident, exc_info=err)
    sentence = f"the server failed to answer; its log tells more under {incident}"
    return json_reply(HTTPStatus.INTERNAL_SERVER_ERROR, error_body(sentence))


def json_reply(status: int, body: bytes) -> Reply:
    """Return a reply whose body is JSON."""
    return Reply(status, body, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])


def _json_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name == JSON_LENGTH:
            if not value.isdigit() or len(value) > _MOST_DIGITS:
                raise InvalidRequestError("the header Inference-Header-Content-Length must be a number of bytes")
            return int(value)
    return None
