# SPDX-License-Identifier: Apache-2.0
"""One gRPC call: its messages in, its method asked, the answer or the refusal out."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, TypeAlias

from predictors.serving.endpoint import Origin, refusal_of
from predictors.serving.grpc.heads import ANSWER_HEAD, ANSWER_TRAILERS, CallHead, http_status, refusal_trailers
from predictors.serving.grpc.messages import MessageReader, framed, unpack
from predictors.serving.grpc.status import CallRefusedError, Code, call_refused

#: From a message's bytes, where they come from and when, to those of the answer, at once or later.
Unary: TypeAlias = Callable[[bytes, Origin, int], bytes | Awaitable[bytes]]
#: From messages to answers, for as long as the client listens.
Streaming: TypeAlias = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]

_MOST_UNREAD: Final = 64


class Service(NamedTuple):
    """What calls can ask for.

    Attributes:
        unary: The methods of one message and one answer, by path.
        streaming: Those of any number of each.
        executor: Threads that unpack messages.
        max_message_bytes: The largest message, once it is unpacked.
    """

    unary: Mapping[str, Unary]
    streaming: Mapping[str, Streaming]
    executor: Executor
    max_message_bytes: int


class Way(Protocol):
    """The way back to the client, for one call."""

    def send(self, head: bytes, data: bytes, trailers: bytes | None) -> None:
        """Send headers unless they are empty, then data, then trailers, which end the stream unless they are None."""

    async def sent(self) -> None:
        """Return once the client has room for more."""


class Call:
    """A call from its headers to its end."""

    __slots__ = ("_arrived", "_ended", "_head", "_opening", "_reader", "_service", "_stream", "_task", "_unread")

    def __init__(self, service: Service, head: CallHead, stream: Way) -> None:
        """Begin a call.

        Args:
            service: What it can ask for.
            head: What its headers say.
            stream: The way back.
        """
        self._arrived = time.perf_counter_ns()
        self._service = service
        self._head = head
        self._stream = stream
        self._reader = MessageReader(service.max_message_bytes)
        self._opening = ANSWER_HEAD  # until it is sent
        self._task: asyncio.Task[None] | None = None
        self._unread: _Unread | None = None
        self._ended = False
        method = service.streaming.get(head.path)
        if method is not None and head.status == HTTPStatus.OK:
            self._unread = _Unread()
            self._task = asyncio.get_running_loop().create_task(self._stream_answers(method, self._unread))

    @property
    def is_streaming(self) -> bool:
        """Whether it may go on for as long as its client likes."""
        return self._unread is not None

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the call's messages."""
        if self._ended:
            return
        try:
            self._reader.add(data)
            if self._unread is not None:
                for message in self._reader.whole():
                    self._unread.put(self._unpacked_now(message.body, packed=message.packed))
        except Exception as err:
            # The call's edge: whatever goes wrong inside ends here.
            self.refuse(err)

    def end(self) -> None:
        """Answer: the client has sent all."""
        if self._ended:
            return
        if self._unread is not None:
            self._unread.put(None)
            return
        if self._head.status != HTTPStatus.OK:
            self._end(http_status(self._head.status))
            return
        method = self._service.unary.get(self._head.path)
        if method is None:
            self.refuse(CallRefusedError(Code.UNIMPLEMENTED, f"there is no method {self._head.path} here"))
            return
        try:
            body, packed = self._reader.only()
            answer = self._answer_packed(method, body) if packed else method(body, self._head.origin, self._arrived)
        except Exception as err:
            # The call's edge, as above.
            self.refuse(err)
            return
        if isinstance(answer, bytes):
            self._answer(answer)
        else:
            self._task = asyncio.get_running_loop().create_task(self._answer_later(answer))

    def cancel(self) -> None:
        """Forget the call: its client is gone, or no longer cares."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    def refuse(self, err: Exception) -> None:
        """End the call with what went wrong."""
        if self._ended:
            return
        told = err if isinstance(err, CallRefusedError) else call_refused(refusal_of(err))
        self._end(self._opening + refusal_trailers(told.code, told.sentence))
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _end(self, head: bytes) -> None:
        self._ended = True
        self._stream.send(b"", b"", head)

    def _answer(self, body: bytes) -> None:
        if not self._ended:
            self._ended = True
            self._stream.send(ANSWER_HEAD, framed(body), ANSWER_TRAILERS)

    async def _answer_later(self, answer: Awaitable[bytes]) -> None:
        try:
            self._answer(await answer)
        except Exception as err:
            # The call's edge, as above.
            self.refuse(err)

    async def _answer_packed(self, method: Unary, body: bytes) -> bytes:
        # A few bytes may unpack to many, so this is never for the event loop.
        loop = asyncio.get_running_loop()
        limit = self._service.max_message_bytes
        body = await loop.run_in_executor(self._service.executor, unpack, body, self._head.encoding, limit)
        answer = method(body, self._head.origin, self._arrived)
        return answer if isinstance(answer, bytes) else await answer

    async def _stream_answers(self, method: Streaming, messages: "_Unread") -> None:
        try:
            async for answer in method(messages):
                self._stream.send(self._opening, framed(answer), None)
                self._opening = b""
                await self._stream.sent()
        except Exception as err:
            # The call's edge, as above.
            self.refuse(err)
            return
        if not self._ended:
            self._end(self._opening + ANSWER_TRAILERS)

    def _unpacked_now(self, body: bytes, *, packed: bool) -> bytes:
        # Only health and reflection stream, whose messages are small.
        return unpack(body, self._head.encoding, 2**16) if packed else body


class _Unread:
    """The messages that a streaming method has not read yet."""

    def __init__(self) -> None:
        self._messages: deque[bytes | None] = deque()
        self._came = asyncio.Event()

    def put(self, message: bytes | None) -> None:
        """Add a message, or the end."""
        if len(self._messages) >= _MOST_UNREAD:
            raise CallRefusedError(Code.RESOURCE_EXHAUSTED, "the call brings messages faster than they are answered")
        self._messages.append(message)
        self._came.set()

    def __aiter__(self) -> "_Unread":
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            self._came.clear()
            await self._came.wait()
        message = self._messages.popleft()
        if message is None:
            raise StopAsyncIteration
        return message
