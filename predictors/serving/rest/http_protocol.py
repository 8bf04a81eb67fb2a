# SPDX-License-Identifier: Apache-2.0
"""uvicorn's HTTP protocol with the edges that V2 clients meet: refusals in JSON, heads of bounded size, no upgrades."""

import re
from http import HTTPStatus
from typing import Final, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from predictors.serving.rest.replies import Reply
from predictors.v2.response import error_body

STATUS_LINES: Final = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
END_OF_HEAD: Final = b"\r\n\r\n"

#: The most headers that a request may have, and about the largest size of all of them in bytes.
MOST_HEADERS: Final = 256
_MOST_HEAD_BYTES: Final = 64 * 2**10
_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _reading = False  # whether the parser is within a request
    _in_head = False  # whether it is within the request's head
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too large by now."""
        if not self._reading:
            data = _without_upgrade(data)
        was_in_head = self._in_head
        super().data_received(data)
        if self._in_head and was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                self._end_with(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large")

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._reading = self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer it."""
        self._in_head = False
        if len(self.headers) > MOST_HEADERS:
            self._refuse_head(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many headers")
        if self.parser.should_upgrade():
            # The parser has given up on the body, which must not be taken for another request.
            self._refuse_head(HTTPStatus.BAD_REQUEST, "connections are neither upgraded nor passed on here")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Let it have its end."""
        self._reading = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Refuse what is not HTTP."""
        self._end_with(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the client was told, and its operator can do nothing."""

    def _is_idle(self) -> bool:
        """Whether no earlier request of this connection is still to be answered, and an answer can be written."""
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            return False
        return not self.flow.write_paused and not self.transport.is_closing()

    def _content(self, reply: Reply, *, keep: bool) -> bytes:
        """Return any answer as it goes over the wire."""
        head = [STATUS_LINES[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers()):
            head += (name, b": ", value, b"\r\n")
        if not keep:
            head.append(b"connection: close\r\n")
        return b"".join((*head, b"\r\n", reply.body))

    def _refuse_head(self, status: HTTPStatus, sentence: str) -> NoReturn:
        self._end_with(status, sentence)
        raise _RefusedError  # out of the parser: nothing that follows is a request

    def _end_with(self, status: HTTPStatus, sentence: str) -> None:
        """Close the connection, with a refusal where it cannot be taken for the answer to an earlier request."""
        if self._is_idle():
            self.transport.write(self._content(Reply(status, error_body(sentence)), keep=False))
        self.transport.close()


class _RefusedError(Exception):
    """Ends the reading of a connection that is closed."""


def _without_upgrade(data: bytes) -> bytes:
    """Return a request without its offer to change the protocol, which a server may leave unheard."""
    end = data.find(END_OF_HEAD)
    if end == -1 or _UPGRADE.search(data, 0, end) is None:
        return data
    return _UPGRADE.sub(b"", data[:end]) + data[end:]
