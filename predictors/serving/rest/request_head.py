# SPDX-License-Identifier: Apache-2.0
"""What the headers of a REST inference request say: how its body is to be read, and how its answer is wanted."""

from typing import Final, NamedTuple

from predictors.errors import InvalidRequestError, UnsupportedEncodingError
from predictors.serving.endpoint import Origin
from predictors.serving.rest.replies import JSON_LENGTH, Headers
from predictors.serving.unpacking import ENCODINGS

_MOST_DIGITS: Final = 18
_PLAIN: Final = Origin("rest")


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


def _number(value: bytes, name: str, unit: str) -> int:
    if not value.isdigit() or len(value) > _MOST_DIGITS:
        raise InvalidRequestError(f"the header {name} must be a number of {unit}")
    return int(value)


def _known_encoding(value: bytes) -> bytes | None:
    encoding = value.strip().lower()
    if encoding in {b"", b"identity"}:
        return None
    if encoding not in ENCODINGS:
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
