# SPDX-License-Identifier: Apache-2.0
"""One call's place in its HTTP/2 connection: what is still to come, and what still waits to be sent."""

import asyncio
from typing import TYPE_CHECKING, Final

from predictors.serving.grpc.call import Call
from predictors.serving.grpc.frames import ErrorCode, Http2Error

if TYPE_CHECKING:  # each knows the other
    from predictors.serving.grpc.connection import GrpcConnection

#: Bytes that a client may send on one call before it is told that they were read.
STREAM_WINDOW: Final = 2**20


class Stream:
    """A call between its connection and its method.

    Attributes:
        call: The call.
        number: The stream's number.
        ended: Whether the client sends no more.
        unread_window: Bytes that the client may still send.
        window: Bytes that may still be sent to it.
        waiting: What is to be sent once it has room.
        trailers: What ends the stream after that; None when there is more to come.
    """

    __slots__ = (
        "_connection",
        "_length",
        "_room",
        "call",
        "ended",
        "number",
        "trailers",
        "unread_window",
        "waiting",
        "window",
    )

    call: Call

    def __init__(self, connection: "GrpcConnection", number: int, window: int, length: int | None) -> None:
        self._connection = connection
        self._length = length  # of the data that is still to come, where the headers told
        self._room: asyncio.Future[None] | None = None
        self.number = number
        self.window = window
        self.unread_window = STREAM_WINDOW
        self.waiting = memoryview(b"")
        self.trailers: bytes | None = None
        self.ended = False

    def receive(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._length is not None:
            self._length -= len(data)
        self.call.receive(data)

    def end(self) -> None:
        """Note that the client sends no more."""
        if self._length:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, self.number)
        self.ended = True
        self.call.end()

    def forget(self) -> None:
        """End the call without an answer."""
        self.ended = True
        self.call.cancel()
        self.let_on()

    def send(self, head: bytes, data: bytes, trailers: bytes | None) -> None:
        """Send as ``grpc_call.Way`` has it."""
        if head and trailers is not None and self._connection.send_at_once(self, head, data, trailers):
            return
        if head:
            self._connection.send_head(self.number, head)
        self.waiting = memoryview(bytes(self.waiting) + data)
        self.trailers = trailers
        self._connection.flush(self)

    async def sent(self) -> None:
        """Wait as ``grpc_call.Way`` has it."""
        if self.waiting:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def let_on(self) -> None:
        """Let whoever waits for room go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
