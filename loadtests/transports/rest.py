# SPDX-License-Identifier: Apache-2.0
"""Requests over HTTP/1.1, on connections that are kept."""

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import gevent
from geventhttpclient.response import HTTPParseError, HTTPResponse

from loadtests.payloads.tensors import EncodedRequest
from loadtests.transports.address import parse_url
from loadtests.transports.connections import Connections, Socket
from loadtests.transports.reply import LOST, NOT_HTTP, REFUSED, TIMEOUT, TLS_FAILURE, UNKNOWN_HOST, Reply

_BLOCK: Final = 65_536
_FIRST_FINAL_STATUS: Final = 200


class RestTransport:
    """Sends requests to one server; for any number of greenlets at once."""

    def __init__(self, url: str, *, connections: int, timeout: float, connect_to: str | None = None) -> None:
        """Connect to nothing yet.

        Args:
            url: The server, http or https. A host name that ends in ``.localhost`` is this machine.
            connections: How many requests may be under way at once; more of them wait.
            timeout: Seconds for a whole request, from ``send`` to the last byte of its answer.
            connect_to: The host to connect to in the place of the URL's, which requests still name; the port stays.

        Raises:
            LoadTestError: The URL is no server's.
        """
        self._server = server = parse_url(url)
        self._connections = Connections(
            connect_to or server.host, server.port, most=connections, tls_name=server.name if server.tls else None
        )
        self._timeout = timeout
        self._heads: dict[EncodedRequest, bytes] = {}

    def send(self, encoded: EncodedRequest) -> Reply:
        """Send a request and return what comes of it.

        Where a kept connection turns out to be closed before anything of an answer came, it is sent once more on a new
        one, as every HTTP client does.
        """
        head = self._heads.get(encoded)
        if head is None:
            sent = {**encoded.headers, "Content-Length": str(len(encoded.body))}
            head = self._heads[encoded] = self._head("POST", encoded.path, sent)
        return self._reply(head + encoded.body)

    def get(self, path: str) -> Reply:
        """Ask for what the server has at that path, such as a model's metadata, and return what comes of it."""
        return self._reply(self._head("GET", path, {}))

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()

    def _reply(self, content: bytes) -> Reply:
        deadline = gevent.Timeout.start_new(self._timeout)
        try:
            with self._connections:
                return self._asked(content)
        except gevent.Timeout as err:
            if err is not deadline:
                raise
            return Reply(TIMEOUT)
        except HTTPParseError:
            return Reply(NOT_HTTP)
        except OSError as err:
            return Reply(_code(err))
        finally:
            deadline.close()

    def _asked(self, content: bytes) -> Reply:
        kept = self._connections.idle()
        if kept is not None:
            try:
                return self._exchanged(kept, content)
            except _UnansweredError:
                pass
        return self._exchanged(self._connections.open(), content)

    def _exchanged(self, connection: Socket, content: bytes) -> Reply:
        answer = _Answer()
        may_be_kept = False
        try:
            # A server that refuses early has answered before it closed.
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.sendall(content)
            answer.receive(connection)
            may_be_kept = not answer.should_close()
        finally:
            if may_be_kept:
                self._connections.keep(connection)
            else:
                connection.close()
        return Reply(str(answer.get_code()), {name.lower(): text for name, text in answer.items()}, answer.body)

    def _head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        fields = (f"{name}: {text}" for name, text in headers.items())
        lines = (f"{method} {self._server.prefix}{path} HTTP/1.1", f"Host: {self._server.host_header}", *fields)
        return "\r\n".join((*lines, "", "")).encode("latin-1")


class _UnansweredError(ConnectionError):
    """The connection was closed before anything of an answer came."""


class _Answer(HTTPResponse):
    """Reads an answer from a connection."""

    def __init__(self) -> None:
        super().__init__("POST")

    @property
    def body(self) -> bytes:
        return bytes(self._body_buffer)

    def receive(self, connection: Socket) -> None:
        """Read to the end of the answer; what comes before it (1xx) is passed over.

        Raises:
            _UnansweredError: Nothing of an answer came.
            OSError: Only a part of it came.
            HTTPParseError: What came is no HTTP.
        """
        while not self._complete:
            try:
                data = connection.recv(_BLOCK)
            except ConnectionResetError as err:
                raise err if self.message_begun else _UnansweredError from err
            if data:
                self.feed(data)
            elif self.message_begun:
                self._end()
            else:
                raise _UnansweredError

    @property
    def _complete(self) -> bool:
        return self.message_complete and self.get_code() >= _FIRST_FINAL_STATUS

    def _end(self) -> None:
        """Take note that the connection was closed, which ends an answer of unknown length and cuts off any other."""
        try:
            self.feed(b"")
        except HTTPParseError as err:
            raise ConnectionResetError from err
        if not self._complete:
            raise ConnectionResetError


def _code(err: OSError) -> str:
    match err:
        case ConnectionRefusedError():
            return REFUSED
        case TimeoutError():
            return TIMEOUT
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionError():
            return LOST
        case ssl.SSLError():
            return TLS_FAILURE
        case socket.gaierror():
            return UNKNOWN_HOST
        case _:
            return (err.strerror or type(err).__name__).lower()
