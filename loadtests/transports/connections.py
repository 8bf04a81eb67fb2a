# SPDX-License-Identifier: Apache-2.0
"""Connections to one server that are kept between requests, for gevent."""

import select
import socket as plain_socket
import ssl as plain_ssl
from typing import Any, Final

import gevent.socket
import gevent.ssl
from gevent.lock import BoundedSemaphore
from gevent.monkey import get_original

# Looking at a socket without waiting is not worth a turn of gevent's loop, and plain select() ends at file 1,024.
_poll: Final = get_original("select", "poll")

Socket = plain_socket.socket


class Connections:
    """At most so many connections; the one used last is used first, so that few are kept."""

    def __init__(self, host: str, port: int, *, most: int, tls_name: str | None) -> None:
        """Connect to nothing yet.

        Args:
            host: Where the server is; its name is looked up once.
            port: Its port.
            most: How many connections there may be at once; who needs another one waits.
            tls_name: The name that the server's certificate must bear; None connects without TLS.
        """
        self._host, self._port, self._tls_name = host, port, tls_name
        self._tls = None if tls_name is None else _tls_context()
        self._addresses: list[Any] = []
        self._looking_up = BoundedSemaphore(1)
        self._free = BoundedSemaphore(most)
        self._idle: list[Socket] = []

    def __enter__(self) -> None:
        """Wait for the right to one connection."""
        self._free.acquire()

    def __exit__(self, *_: object) -> None:
        self._free.release()

    def idle(self) -> Socket | None:
        """Return a connection that was kept and still stands; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            watch = _poll()
            watch.register(connection.fileno(), select.POLLIN)
            if not watch.poll(0):
                return connection
            connection.close()  # the server has closed it, or said something that nobody asked for
        return None

    def open(self) -> Socket:
        """Return a new connection.

        Raises:
            OSError: There is no server, or none that can be trusted.
        """
        with self._looking_up:
            if not self._addresses:
                self._addresses = gevent.socket.getaddrinfo(self._host, self._port, type=plain_socket.SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, protocol, _, address in self._addresses:
            try:
                return self._connected(gevent.socket.socket(family, kind, protocol), address)
            except plain_ssl.SSLError:
                raise
            except OSError as err:
                failure = failure or err
        raise failure or OSError("no address")

    def keep(self, connection: Socket) -> None:
        """Take back a connection that may be used again."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close what was kept."""
        while self._idle:
            self._idle.pop().close()

    def _connected(self, connection: Socket, address: Any) -> Socket:
        try:
            connection.connect(address)
            connection.setsockopt(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY, 1)
            if self._tls is not None:
                return self._tls.wrap_socket(connection, server_hostname=self._tls_name)
        except BaseException:  # a time-out of gevent's is no Exception
            connection.close()
            raise
        return connection


def _tls_context() -> plain_ssl.SSLContext:
    context: plain_ssl.SSLContext = gevent.ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
