# SPDX-License-Identifier: Apache-2.0
"""gRPC's messages within a stream: before each, five bytes tell whether it is packed and how long it is."""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from predictors.errors import InvalidRequestError, RequestTooLargeError
from predictors.serving.grpc.status import CallRefusedError, Code
from predictors.serving.unpacking import unpacked

PREFIX: Final = Struct(">BI")
_ENCODINGS: Final = frozenset({b"gzip", b"deflate"})


class Message(NamedTuple):
    """A message as it came.

    Attributes:
        body: Its bytes.
        packed: Whether they are packed in the call's encoding.
    """

    body: bytes
    packed: bool


class MessageReader:
    """Cuts what a call's stream brings into messages."""

    def __init__(self, limit: int) -> None:
        """Begin a stream whose messages have so many bytes at most."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Take what came next; RequestTooLargeError as soon as it is more than one message may have."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._limit + PREFIX.size:
            raise too_large(self._limit)

    def only(self) -> Message:
        """Return the one message of a stream that ended; InvalidRequestError when it is not exactly one."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if len(data) < PREFIX.size:
            raise InvalidRequestError("the call ended before its message")
        packed, size = PREFIX.unpack_from(data)
        if size != len(data) - PREFIX.size:
            raise InvalidRequestError(
                f"the message is said to have {size} bytes, the call brought {len(data) - PREFIX.size}"
            )
        return Message(data[PREFIX.size :], packed != 0)

    def whole(self) -> Iterator[Message]:
        """Give the messages that are whole already; what is left stays for the next time."""
        data = b"".join(self._parts)
        place = 0
        while len(data) - place >= PREFIX.size:
            packed, size = PREFIX.unpack_from(data, place)
            end = place + PREFIX.size + size
            if end > len(data):
                break
            yield Message(data[place + PREFIX.size : end], packed != 0)
            place = end
        self._parts = [data[place:]]
        self._size = len(data) - place


def unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return a packed message as it was; slow, and never more than the limit is unpacked.

    Raises:
        CallRefusedError: The encoding is not known here.
        InvalidRequestError: The message is not packed as its call says.
        RequestTooLargeError: It holds more than so many bytes.
    """
    if encoding in {b"", b"identity"}:
        raise InvalidRequestError("the message is packed, and the call's headers do not say how")
    if encoding not in _ENCODINGS:
        raise CallRefusedError(
            Code.UNIMPLEMENTED, f"the encoding {encoding.decode('latin-1')!r} is not known here; send gzip or deflate"
        )
    try:
        return unpacked(body, encoding, limit)
    except InvalidRequestError as err:
        raise InvalidRequestError(f"the message is not one whole {encoding.decode()} stream") from err


def too_large(limit: int) -> RequestTooLargeError:
    """Return the refusal of a message over the limit."""
    return RequestTooLargeError(f"the message is over the limit of {limit} bytes")


def framed(body: bytes) -> bytes:
    """Return a message as a stream carries it."""
    return PREFIX.pack(0, len(body)) + body
