# SPDX-License-Identifier: Apache-2.0
"""HTTP/2's frames (RFC 9113): their kinds, flags and error codes, and how they are written."""

from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: Upper 8 and lower 16 bits of the length, kind, flags, stream.
HEAD: Final = Struct(">BHBBI")
#: The largest frame that either side sends unless the other allows more.
FRAME_BYTES: Final = 2**14
#: What a flow-control window is at first, and at most.
FIRST_WINDOW: Final = 2**16 - 1
MOST_WINDOW: Final = 2**31 - 1
STREAM_BITS: Final = 2**31 - 1

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITISED: Final = 0x20

_SETTING: Final = Struct(">HI")
_U32: Final = Struct(">I")
_PRIORITY_BYTES: Final = 5

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)


class Setting(IntEnum):
    """The settings that matter to a server."""

    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Http2Error(Exception):
    """The peer broke the protocol.

    Attributes:
        code: How.
        stream: The stream that ends with it; 0 when the connection does.
    """

    def __init__(self, code: ErrorCode, stream: int = 0) -> None:
        super().__init__(f"{code.name} on stream {stream}")
        self.code = code
        self.stream = stream


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """Return the frame that tells this side's settings."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings in a frame; Http2Error when it is no list of them, or has one out of its range."""
    if len(payload) % _SETTING.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
    items = list(_SETTING.iter_unpack(payload))
    for number, value in items:
        if number == Setting.INITIAL_WINDOW_SIZE and value > MOST_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR)
        if (number == Setting.ENABLE_PUSH and value > 1) or (
            number == Setting.MAX_FRAME_SIZE and not FRAME_BYTES <= value < 2**24
        ):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
    return items


def window_update(stream: int, increment: int) -> bytes:
    """Return the frame that lets the peer send so many bytes more."""
    return frame(WINDOW_UPDATE, 0, stream, _U32.pack(increment))


def reset(stream: int, code: ErrorCode) -> bytes:
    """Return the frame that ends a stream."""
    return frame(RST_STREAM, 0, stream, _U32.pack(code))


def goaway(last_stream: int, code: ErrorCode) -> bytes:
    """Return the frame that says that no stream after the last one is answered."""
    return frame(GOAWAY, 0, 0, _U32.pack(last_stream) + _U32.pack(code))


def read_number(payload: bytes) -> int:
    """Return the number that is a frame's whole payload; Http2Error when it is of another size."""
    if len(payload) != _U32.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
    number: int = _U32.unpack(payload)[0]
    return number


def wider(window: int, increment: int, stream: int = 0) -> int:
    """Return a window that grew; Http2Error, of the stream if any, when it is wider than a window may be."""
    if window + increment > MOST_WINDOW:
        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, stream)
    return window + increment


def without_padding(flags: int, payload: bytes, stream: int) -> bytes:
    """Return the payload of a stream's DATA or HEADERS frame without padding and priority.

    Raises:
        Http2Error: It is too short for them, or the stream is said to depend on itself.
    """
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
        start, end = 1, end - payload[0]
    if flags & PRIORITISED:
        if _depends_on(payload[start:]) == stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        start += _PRIORITY_BYTES
    if start > end:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR)
    return payload[start:end]


def check_priority(stream: int, payload: bytes) -> None:
    """Raise Http2Error unless this is a stream's priority."""
    if len(payload) != _PRIORITY_BYTES:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, stream)
    if _depends_on(payload) == stream:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, stream)


def _depends_on(priority: bytes) -> int:
    return int.from_bytes(priority[: _U32.size]) & STREAM_BITS
