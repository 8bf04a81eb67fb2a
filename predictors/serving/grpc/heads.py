# SPDX-License-Identifier: Apache-2.0
"""The headers of gRPC over HTTP/2: what a call's say, and those of the answers.

Clients send the same headers again and again, as the same few bytes once their compression has learnt them; what was
made of such bytes is remembered as long as the compression's state stays what it is.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from predictors.serving.endpoint import Origin
from predictors.serving.grpc.frames import ErrorCode, Http2Error
from predictors.serving.grpc.status import Code

MOST_HEAD_BYTES: Final = 2**14

_MOST_KNOWN: Final = 64
_LONGEST_KNOWN: Final = 512
_PLAIN: Final = Origin("grpc")
_TIMEOUT: Final = re.compile(rb"(\d{1,8})([HMSmun])")
_SECONDS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PSEUDO: Final = frozenset({b":method", b":path", b":scheme", b":authority"})
_REQUIRED: Final = frozenset({b":method", b":path", b":scheme"})
#: Of a connection, so in HTTP/2 of none.
_FORBIDDEN: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_UPPER: Final = re.compile(rb"[A-Z]")
#: The longest sentence that is told: clients take headers of 8 KiB, and each character may become twelve.
_LONGEST_SENTENCE: Final = 500


class CallHead(NamedTuple):
    """What the headers of a call say.

    Attributes:
        path: ``/service/method``.
        origin: Request id, trace and time limit.
        encoding: How its messages are packed if they are; empty when the headers do not say.
        status: 200; another HTTP status when this is no gRPC call.
        length: The content length, where the headers tell it.
    """

    path: str
    origin: Origin
    encoding: bytes = b""
    status: int = 200
    length: int | None = None


class HeadReader:
    """Reads the header blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MOST_HEAD_BYTES)
        self._known: dict[bytes, CallHead] = {}

    def read(self, block: bytes, stream: int) -> CallHead:
        """Return what the headers of a call say.

        Args:
            block: Its header block.
            stream: Its stream.

        Raises:
            Http2Error: The block cannot be read, which ends the connection, or its headers are no request's.
        """
        head = self._known.get(block)
        if head is not None:
            return head
        fields, stateless = self._fields(block)
        head = _call_head(fields, stream)
        if stateless and len(block) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[block] = head
        return head

    def skip(self, block: bytes, stream: int) -> None:
        """Read a block for its effect on the compression alone; Http2Error when it cannot be a call's trailers."""
        if any(name.startswith(b":") or _UPPER.search(name) for name, _ in self._fields(block)[0]):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, stream)

    def _fields(self, block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Return the headers, and whether the same bytes mean the same the next time."""
        table = self._decoder.header_table
        before = _state(table)
        try:
            fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError as err:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM) from err
        except HPACKError as err:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR) from err
        after = _state(table)
        if before[0] is after[0] and before[1:] == after[1:]:
            return fields, True
        self._known.clear()
        return fields, False


def _state(table: HeaderTable) -> tuple[object, int, int]:
    """Return what is another thing after any change: new entries come first, and old ones go last."""
    entries = table.dynamic_entries
    return entries[0] if entries else None, len(entries), table.maxsize


def _call_head(fields: Iterable[tuple[bytes, bytes]], stream: int) -> CallHead:
    pseudo: dict[bytes, bytes] = {}
    regular: dict[bytes, bytes] = {}
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name in pseudo or name not in _PSEUDO:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, stream)
            pseudo[name] = value
        elif name in _FORBIDDEN or _UPPER.search(name) or (name == b"te" and value != b"trailers"):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, stream)
        else:
            regular[name] = value
    length = regular.get(b"content-length")
    if not pseudo.keys() >= _REQUIRED or not pseudo[b":path"] or (length is not None and not length.isdigit()):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, stream)
    status = 200
    if pseudo[b":method"] != b"POST":
        status = 405
    elif not regular.get(b"content-type", b"").startswith(b"application/grpc"):
        status = 415
    return CallHead(
        pseudo[b":path"].decode("latin-1"),
        _origin(regular),
        regular.get(b"grpc-encoding", b""),
        status,
        None if length is None else int(length[:20]),
    )


def _origin(fields: dict[bytes, bytes]) -> Origin:
    request_id, traceparent = fields.get(b"x-request-id"), fields.get(b"traceparent")
    limit = _TIMEOUT.fullmatch(fields.get(b"grpc-timeout", b""))
    if request_id is None and traceparent is None and limit is None:
        return _PLAIN
    return Origin(
        "grpc",
        None if request_id is None else request_id.decode("latin-1"),
        None if traceparent is None else traceparent.decode("latin-1"),
        None if limit is None else int(limit[1]) * _SECONDS[limit[2]],
    )


def _integer(value: int, bits: int) -> bytes:
    """Return a number as HPACK writes it into a prefix of so many bits, the bits before it zero."""
    most = 2**bits - 1
    if value < most:
        return bytes([value])
    value -= most
    written = bytearray([most])
    while value >= 0x80:  # noqa: PLR2004 (seven bits a byte)
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header that leaves the compression's state alone, so that it reads the same everywhere."""
    return b"\0" + _integer(len(name), 7) + name + _integer(len(value), 7) + value


def _percent_encoded(text: str) -> bytes:
    return b"".join(
        b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte  # noqa: PLR2004 (space to ~, but %)
        for byte in text.encode(errors="replace")
    )


_TYPE: Final = _literal(b"content-type", b"application/grpc")

#: The headers before messages: ``:status`` 200 is the eighth of HPACK's static table.
ANSWER_HEAD: Final = b"\x88" + _TYPE
#: The trailers after them when all went well.
ANSWER_TRAILERS: Final = _literal(b"grpc-status", b"0")


def refusal_trailers(code: Code, sentence: str) -> bytes:
    """Return the trailers that tell a refusal."""
    if len(sentence) > _LONGEST_SENTENCE:
        sentence = f"{sentence[:_LONGEST_SENTENCE]}..."
    told = _literal(b"grpc-status", b"%d" % code) + _literal(b"grpc-message", _percent_encoded(sentence))
    if code is Code.UNIMPLEMENTED:
        told += _literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
    return told


def http_status(status: int) -> bytes:
    """Return the headers that answer what is no gRPC call."""
    return _literal(b":status", b"%d" % status)
