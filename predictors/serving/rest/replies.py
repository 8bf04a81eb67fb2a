# SPDX-License-Identifier: Apache-2.0
"""The replies of REST: a status, headers and a body, gzip'd where the client asked for it."""

import zlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from predictors.serving.endpoint import Refusal
from predictors.v2.response import Answer, error_body

JSON: Final = b"application/json"
_BYTES: Final = b"application/octet-stream"
JSON_LENGTH: Final = b"inference-header-content-length"
#: The body is made anew for each request, so the fastest level is the right one.
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS

#: Names in lower case, and values.
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """A reply, short of the connection's own headers.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: What it is.
        extra: Further headers that tell of the body.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    extra: tuple[tuple[bytes, bytes], ...] = ()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return all headers of the reply."""
        length = b"%d" % len(self.body)
        return [(b"content-type", self.content_type), (b"content-length", length), *self.extra]


def answer_reply(answer: Answer, *, gzip: bool = False) -> Reply:
    """Return the reply that carries a V2 answer."""
    body, json_length = answer
    if json_length is None and not gzip:
        return Reply(200, body)
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if json_length is not None:
        # Of the body as it is once unpacked, as a request's own header is.
        extra = ((JSON_LENGTH, b"%d" % json_length),)
    if gzip:
        body = gzipped(body)
        extra += ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
    return Reply(200, body, JSON if json_length is None else _BYTES, extra)


def refusal_reply(refusal: Refusal) -> Reply:
    """Return the reply that tells a refusal; one that a moment may mend says when to come again."""
    again = refusal.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    extra = ((b"retry-after", b"1"),) if again else ()
    return Reply(refusal.status, error_body(refusal.sentence), extra=extra)


def gzipped(body: bytes) -> bytes:
    """Return the body as gzip packs it."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()
