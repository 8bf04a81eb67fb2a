# SPDX-License-Identifier: Apache-2.0
"""What the headers of a REST inference request say: how its body is to be read, and how its answer is wanted."""

import zlib
from typing import Final, NamedTuple

from predictors.errors import InvalidRequestError, RequestTooLargeError, UnsupportedEncodingError
from predictors.serving.endpoint import Origin
from predictors.serving.rest.replies import JSON_LENGTH, Headers

_MOST_DIGITS: Final = 18
_PLAIN: Final = Origin("rest")
#: For each content encoding, the window that zlib reads it with: gzip's own header, or zlib's.
_WINDOWS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


class RequestHead(NamedTuple):
    """The headers that matter.

    Attributes:
        origin: Request id, trace and time limit.
        json_length: Bytes of the body's JSON part when raw tensors follow it; None when all of it is JSON.
        encoding: How the body is packed, as ``Content-Encoding`` says; None when it is not.
        wants_gzip: Whether the answer is to be packed.
    """

    origin: Origin = _PLAIN
    json_length: int | None = None
    encoding: bytes | None = None
    wants_gzip: bool = False


def read_head(headers: Headers) -> RequestHead:
    """Return what the headers say.

    Raises:
        InvalidRequestError: A number is none.
        UnsupportedEncodingError: The body is packed in a way that is not known here.
    """
    json_length = encoding = None
    request_id = traceparent = timeout = None
    wants_gzip = False
    for name, value in headers:
        if name == JSON_LENGTH:
            json_length = _number(value, "Inference-Header-Content-Length", "bytes")
        elif name == b"content-encoding":
            encoding = _known_encoding(value)
        elif name == b"accept-encoding":
            wants_gzip = _accepts_gzip(value)
        elif name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == b"x-envoy-expected-rq-timeout-ms":
            # For Envoy no time at all is no limit, as it is for Triton's parameter.
            timeout = _number(value, "x-envoy-expected-rq-timeout-ms", "milliseconds") / 1000 or None
    origin = _PLAIN
    if request_id is not None or traceparent is not None or timeout is not None:
        origin = Origin("rest", request_id, traceparent, timeout)
    return RequestHead(origin, json_length, encoding, wants_gzip)


def unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return a packed body as it was; never more than the limit is unpacked.

    Raises:
        InvalidRequestError: The body is not packed as its encoding says, or ends too early.
        RequestTooLargeError: It holds more than so many bytes.
    """
    unpacker = zlib.decompressobj(_WINDOWS[encoding])
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error as err:
        raise InvalidRequestError(f"the body is not {encoding.decode()}, as its Content-Encoding says") from err
    if len(content) > limit:
        raise too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidRequestError(f"the body is not one whole {encoding.decode()} stream")
    return content


def too_large(limit: int) -> RequestTooLargeError:
    """Return the refusal of a body over the limit."""
    return RequestTooLargeError(f"the request's body is over the limit of {limit} bytes")


def _number(value: bytes, name: str, unit: str) -> int:
    if not value.isdigit() or len(value) > _MOST_DIGITS:
        raise InvalidRequestError(f"the header {name} must be a number of {unit}")
    return int(value)


def _known_encoding(value: bytes) -> bytes | None:
    encoding = value.strip().lower()
    if encoding in {b"", b"identity"}:
        return None
    if encoding not in _WINDOWS:
        raise UnsupportedEncodingError(
            f"the content encoding {encoding.decode('latin-1')!r} is not known here; send gzip, deflate or neither"
        )
    return encoding


def _accepts_gzip(value: bytes) -> bool:
    """Whether an ``Accept-Encoding`` names gzip, and not with a weight of nothing."""
    for choice in value.lower().split(b","):
        coding, _, weight = choice.partition(b";")
        if coding.strip() in {b"gzip", b"x-gzip"}:
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False
