# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frame by frame over a socket, for tests of what gRPC's own client never sends."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hpack import Decoder, Encoder

from predictors.serving.grpc import frames as h2
from predictors.v2.messages import SERVICE

INFER = f"/{SERVICE}/ModelInfer"


class Frame(NamedTuple):
    """A frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Http2Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.encoder = Encoder()
        self.decoder = Decoder()
        self._data = b""

    def greet(self, settings: dict[h2.Setting, int] | None = None) -> None:
        """Send the preface and the settings, and make room for many answers."""
        self.connection.sendall(h2.PREFACE + h2.settings(settings or {}) + h2.window_update(0, 2**24))

    def send(self, *frames: bytes) -> None:
        """Send frames."""
        self.connection.sendall(b"".join(frames))

    def headers(self, stream: int, path: str = INFER, **fields: str) -> bytes:
        """Return the frame that begins a call."""
        return h2.frame(h2.HEADERS, h2.END_HEADERS, stream, self.block(path, **fields))

    def block(self, path: str = INFER, **fields: str) -> bytes:
        """Return a call's header block; the fields' names have ``_`` for ``-``."""
        told = {":method": "POST", ":scheme": "http", ":path": path, "content-type": "application/grpc"}
        told.update({name.replace("_", "-"): value for name, value in fields.items()})
        return self.encoder.encode(list(told.items()))

    def frames(self) -> Iterator[Frame]:
        """Give the server's frames until it ends the connection."""
        while True:
            while len(self._data) >= h2.HEAD.size:
                high, low, kind, flags, stream = h2.HEAD.unpack_from(self._data)
                end = h2.HEAD.size + (high << 16 | low)
                if len(self._data) < end:
                    break
                payload, self._data = self._data[h2.HEAD.size : end], self._data[end:]
                yield Frame(kind, flags, stream, payload)
            try:
                more = self.connection.recv(2**16)
            except ConnectionResetError:
                return
            if not more:
                return
            self._data += more

    def next(self, *kinds: int) -> Frame:
        """Return the next frame of these kinds; those before it are dropped."""
        for frame in self.frames():
            if frame.kind in kinds:
                return frame
        raise AssertionError("the connection ended")

    def answer(self, stream: int) -> tuple[bytes, dict[str, str]]:
        """Return the data that a stream brings until it ends, and all its headers."""
        data = b""
        told: dict[str, str] = {}
        for frame in self.frames():
            if frame.kind == h2.HEADERS:
                fields = {str(name): str(value) for name, value in self.decoder.decode(frame.payload)}
                if frame.stream == stream:
                    told.update(fields)
            if frame.stream != stream:
                continue
            if frame.kind == h2.DATA:
                data += frame.payload
            if frame.kind == h2.RST_STREAM:
                return data, {**told, "reset": str(int.from_bytes(frame.payload))}
            if frame.kind in {h2.DATA, h2.HEADERS} and frame.flags & h2.END_STREAM:
                return data, told
        raise AssertionError(f"the connection ended after {told}")


@contextmanager
def http2_client(port: int) -> Iterator[Http2Client]:
    """Connect to a server on this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        yield Http2Client(connection)
