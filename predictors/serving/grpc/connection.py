# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 (RFC 9113) as gRPC needs it of a server: one connection, its streams and their flow control.

A small call is answered in the very callback that brought it: no task, no thread, one write. gRPC's own server hands
each call from thread to thread, which on one core costs more than everything else that happens to it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from predictors.serving.grpc import frames as h2
from predictors.serving.grpc.call import Call, Service
from predictors.serving.grpc.frames import ErrorCode, Http2Error, Setting
from predictors.serving.grpc.heads import MOST_HEAD_BYTES, HeadReader
from predictors.serving.grpc.status import CallRefusedError, Code
from predictors.serving.grpc.stream import STREAM_WINDOW, Stream

_MOST_STREAMS: Final = 256
#: Bytes that a client may send on all its calls before it is told that they were read.
_CONNECTION_WINDOW: Final = 2**24
#: Frames in a second that cost the client nothing (PING, SETTINGS, RST_STREAM, empty DATA), beyond one for each call.
_MOST_IDLE_FRAMES: Final = 2000
_LEAVING: Final = b"leaving!"
#: Seconds that a client has to say that it heard of the connection's end.
_LEAVE_SECONDS: Final = 1.0

_SETTINGS: Final = h2.settings(
    {
        Setting.MAX_CONCURRENT_STREAMS: _MOST_STREAMS,
        Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        Setting.MAX_HEADER_LIST_SIZE: MOST_HEAD_BYTES,
    }
) + h2.window_update(0, _CONNECTION_WINDOW - h2.FIRST_WINDOW)


class GrpcConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, service: Service, connections: "set[GrpcConnection]", on_lost: Callable[[], None]) -> None:
        """Wait for a client.

        Args:
            service: What its calls can ask for.
            connections: Has this one in it for as long as it lives.
            on_lost: Called when it ends.
        """
        self._service = service
        self._connections = connections
        self._on_lost = on_lost
        self._heads = HeadReader()
        self._streams: dict[int, Stream] = {}
        self._rest = h2.PREFACE[:0]
        self._out: list[bytes] = []
        self._reading = False
        self._greeted = self._settled = False
        self._half: tuple[int, int, bytearray] | None = None  # a header block that CONTINUATION frames go on with
        self._last = 0
        self._idle_frames = 0
        self._idle_since = 0.0
        self._unread_window = _CONNECTION_WINDOW
        self._leaving = self._left = False
        # What the client lets this side send.
        self._window = h2.FIRST_WINDOW
        self._stream_window = h2.FIRST_WINDOW
        self._frame_bytes = h2.FRAME_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._transport.write(_SETTINGS)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Forget the calls."""
        for stream in self._streams.values():
            stream.forget()
        self._streams.clear()
        self._connections.discard(self)
        self._on_lost()

    def pause_writing(self) -> None:
        """Read nothing from a client that does not read either."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Answer what came whole, and keep the rest."""
        if self._rest:
            data = self._rest + data
        self._reading = True
        try:
            self._rest = data[self._read(data) :]
        except Http2Error as err:
            self._fail(err.code)
        finally:
            self._reading = False
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
        if self._left:
            self._close_when_idle()

    def leave(self) -> None:
        """Tell the client to make its next calls on another connection; those on their way are answered."""
        if not self._leaving:
            self._leaving = True
            # Calls may be on their way that this side has not seen: only the answer to the PING tells which was last.
            self._write(h2.goaway(h2.MOST_WINDOW, ErrorCode.NO_ERROR) + h2.frame(h2.PING, 0, 0, _LEAVING))
            asyncio.get_running_loop().call_later(_LEAVE_SECONDS, self._leave_now)

    def end_streaming(self) -> None:
        """End the calls that would go on for ever."""
        for stream in list(self._streams.values()):
            if stream.call.is_streaming:
                stream.call.refuse(CallRefusedError(Code.UNAVAILABLE, "the server is stopping"))

    def abort(self) -> None:
        """End the connection whatever is on its way."""
        self._transport.abort()

    # Reading

    def _read(self, data: bytes) -> int:
        """Take the whole frames, and return where what is left begins."""
        place, size = 0, len(data)
        if not self._greeted:
            greeting = data[: len(h2.PREFACE)]
            if not h2.PREFACE.startswith(greeting):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR)
            if len(greeting) < len(h2.PREFACE):
                return 0
            self._greeted = True
            place = len(h2.PREFACE)
        while size - place >= h2.HEAD.size:
            high, low, kind, flags, stream = h2.HEAD.unpack_from(data, place)
            start = place + h2.HEAD.size
            end = start + (high << 16 | low)
            if end - start > h2.FRAME_BYTES:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
            if end > size:
                break
            try:
                self._take(kind, flags, stream & h2.STREAM_BITS, data[start:end])
            except Http2Error as err:
                if not err.stream:
                    raise
                self._reset(err.stream, err.code)
            place = end
        return place

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if (self._half is None) is (kind == h2.CONTINUATION) or (not self._settled and kind != h2.SETTINGS):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        if kind == h2.DATA:
            self._take_data(flags, stream, payload)
        elif kind == h2.HEADERS:
            self._take_headers(flags, stream, payload)
        elif kind == h2.WINDOW_UPDATE:
            self._take_window(stream, h2.read_number(payload))
        elif kind == h2.CONTINUATION:
            self._take_continuation(flags, stream, payload)
        elif kind == h2.PUSH_PROMISE:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        else:
            self._count_idle()
            self._take_control(kind, flags, stream, payload)

    def _take_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in {h2.SETTINGS, h2.PING, h2.GOAWAY} and stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        if kind == h2.SETTINGS:
            self._take_settings(flags, payload)
        elif kind == h2.PING:
            if len(payload) != len(_LEAVING):
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
            if not flags & h2.ACK:
                self._write(h2.frame(h2.PING, h2.ACK, 0, payload))
            elif payload == _LEAVING:
                self._leave_now()
        elif kind == h2.RST_STREAM:
            self._take_reset(stream, payload)
        elif kind == h2.PRIORITY:
            # Nothing is made of priorities, and yet they must be well-formed.
            if not stream:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR)
            h2.check_priority(stream, payload)

    def _take_reset(self, number: int, payload: bytes) -> None:
        h2.read_number(payload)
        if not 0 < number <= self._last:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.forget()

    def _take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & (h2.PADDED | h2.PRIORITISED):
            payload = h2.without_padding(flags, payload, stream)
        if not stream % 2:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        if flags & h2.END_HEADERS:
            self._take_head(stream, payload, ends=bool(flags & h2.END_STREAM))
        else:
            self._half = stream, flags, bytearray(payload)

    def _take_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        self._count_idle()
        if self._half is None or stream != self._half[0]:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        _, first_flags, block = self._half
        block += payload
        if len(block) > MOST_HEAD_BYTES:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM)
        if flags & h2.END_HEADERS:
            self._half = None
            self._take_head(stream, bytes(block), ends=bool(first_flags & h2.END_STREAM))

    def _take_head(self, number: int, block: bytes, *, ends: bool) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            self._heads.skip(block, number)
            if not ends:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, number)
            stream.end()
            return
        if number <= self._last:
            raise Http2Error(ErrorCode.STREAM_CLOSED)
        self._last = number
        head = self._heads.read(block, number)
        if self._left or len(self._streams) >= _MOST_STREAMS:
            raise Http2Error(ErrorCode.REFUSED_STREAM, number)
        stream = self._streams[number] = Stream(self, number, self._stream_window, head.length)
        stream.call = Call(self._service, head, stream)
        if ends:
            stream.end()

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._unread_window -= size
        if self._unread_window < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR)
        if self._unread_window < _CONNECTION_WINDOW // 2:
            self._write(h2.window_update(0, _CONNECTION_WINDOW - self._unread_window))
            self._unread_window = _CONNECTION_WINDOW
        stream = self._streams.get(number)
        if stream is None or stream.ended:
            if not 0 < number <= self._last:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR)
            raise Http2Error(ErrorCode.STREAM_CLOSED, number)
        ends = bool(flags & h2.END_STREAM)
        if not size and not ends:
            self._count_idle()
        stream.unread_window -= size
        if stream.unread_window < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, number)
        if stream.unread_window < STREAM_WINDOW // 2 and not ends:
            self._write(h2.window_update(number, STREAM_WINDOW - stream.unread_window))
            stream.unread_window = STREAM_WINDOW
        if flags & h2.PADDED:
            payload = h2.without_padding(flags & h2.PADDED, payload, number)
        stream.receive(payload)
        if ends:
            stream.end()

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & h2.ACK:
            if payload:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR)
            return
        self._settled = True
        for number, value in h2.read_settings(payload):
            if number == Setting.MAX_FRAME_SIZE:
                self._frame_bytes = value
            elif number == Setting.INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.window = h2.wider(stream.window, value - self._stream_window)
                self._stream_window = value
        self._write(h2.frame(h2.SETTINGS, h2.ACK, 0))
        self._send_waiting()

    def _take_window(self, number: int, increment: int) -> None:
        increment &= h2.STREAM_BITS
        if number > self._last:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR)
        if not increment:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, number)
        if not number:
            self._window = h2.wider(self._window, increment)
            self._send_waiting()
            return
        stream = self._streams.get(number)
        if stream is None:
            self._count_idle()
            return
        stream.window = h2.wider(stream.window, increment, number)
        self.flush(stream)

    def _count_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._idle_since > 1:
            self._idle_since, self._idle_frames = now, 0
        self._idle_frames += 1
        if self._idle_frames > _MOST_IDLE_FRAMES:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM)

    # Writing

    def send_at_once(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a whole answer in one piece, unless the client has no room for it now."""
        size = len(data)
        if size > self._window or size > stream.window or size > self._frame_bytes:
            return False
        self._window -= size
        number = stream.number
        pack = h2.HEAD.pack
        self._write(
            b"".join(
                (
                    pack(0, len(head), h2.HEADERS, h2.END_HEADERS, number),
                    head,
                    pack(size >> 16, size & 0xFFFF, h2.DATA, 0, number),
                    data,
                    pack(0, len(trailers), h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, number),
                    trailers,
                )
            )
        )
        self._finish(stream)
        return True

    def send_head(self, number: int, head: bytes) -> None:
        """Send the headers before messages."""
        self._write(h2.frame(h2.HEADERS, h2.END_HEADERS, number, head))

    def flush(self, stream: Stream) -> None:
        """Send as much of what waits on a stream as the client has room for."""
        while stream.waiting:
            size = min(len(stream.waiting), self._window, stream.window, self._frame_bytes)
            if size <= 0:
                return
            self._write(h2.frame(h2.DATA, 0, stream.number, bytes(stream.waiting[:size])))
            stream.waiting = stream.waiting[size:]
            stream.window -= size
            self._window -= size
        if stream.trailers is not None:
            flags = h2.END_HEADERS | h2.END_STREAM
            self._write(h2.frame(h2.HEADERS, flags, stream.number, stream.trailers))
            self._finish(stream)
        stream.let_on()

    def _send_waiting(self) -> None:
        for stream in list(self._streams.values()):
            if stream.waiting:
                self.flush(stream)

    def _finish(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)
        if self._idle_frames:
            self._idle_frames -= 1
        if not stream.ended:
            # The answer does not depend on what the client goes on sending.
            self._write(h2.reset(stream.number, ErrorCode.NO_ERROR))
        if self._left and not self._reading:
            self._close_when_idle()

    def _write(self, data: bytes) -> None:
        if self._reading:
            self._out.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def _reset(self, number: int, code: ErrorCode) -> None:
        self._count_idle()
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.forget()
        self._write(h2.reset(number, code))

    def _fail(self, code: ErrorCode) -> None:
        self._rest = b""
        self._out.append(h2.goaway(self._last, code))
        self._transport.write(b"".join(self._out))
        self._out.clear()
        self._transport.close()

    def _leave_now(self) -> None:
        if not self._left:
            self._left = True
            self._write(h2.goaway(self._last, ErrorCode.NO_ERROR))
            if not self._reading:
                self._close_when_idle()

    def _close_when_idle(self) -> None:
        if not self._streams:
            self._transport.close()
