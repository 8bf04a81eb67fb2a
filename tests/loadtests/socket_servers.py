# SPDX-License-Identifier: Apache-2.0
"""Servers that misbehave as told, on plain sockets in a thread of their own."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: What is done with each connection, which is the so-many-th, counted from 0; it is closed afterwards.
Behaviour = Callable[["Visitor", int], None]


@dataclass
class Visitor:
    """A connection."""

    socket: socket.socket
    server: "SocketServer"

    def read(self) -> bytes | None:
        """Return one request; None when the other side has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += (more := self.socket.recv(65_536))
            if not more:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int((lengths or [b"0"])[0]):
            body += self.socket.recv(65_536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return head

    def answer(self, status: int = 200, body: bytes = b"{}", *headers: str) -> None:
        """Write an answer."""
        lines = (f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers, "", "")
        self.socket.sendall("\r\n".join(lines).encode() + body)

    def reset(self) -> None:
        """Close at once, with an RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class SocketServer:
    """A server on a free port.

    Attributes:
        port: Its port.
        connections: How many there were.
        requests: What was read.
    """

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[SocketServer]:
    """Behave so towards every connection until the block ends."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = SocketServer(listener.getsockname()[1])
        open_ones: list[socket.socket] = []

        def visit(connection: socket.socket, number: int) -> None:
            try:
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                behaviour(Visitor(connection, server), number)
            except OSError:
                pass  # the other side has closed, as some tests mean it to
            finally:
                connection.close()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_ones.append(connection)
                threading.Thread(target=visit, args=(connection, server.connections), daemon=True).start()
                server.connections += 1

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for connection in open_ones:
                with suppress(OSError):  # it is closed
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()


def free_port() -> int:
    """Return a port where nothing is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def forward_to(port: int) -> Behaviour:
    """Pass everything on to a server on this machine."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def forward(visitor: Visitor, _: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            back = threading.Thread(target=pump, args=(upstream, visitor.socket), daemon=True)
            back.start()
            pump(visitor.socket, upstream)
            back.join(10)

    return forward
