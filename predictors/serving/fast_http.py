# SPDX-License-Identifier: Apache-2.0
"""The hot path: a small inference request for a fast model is answered inside the HTTP protocol class.

A request that came whole is parsed, scored and written to the transport in one callback: no task, no ASGI messages.
Every other request, and every connection, goes on as uvicorn has it: limits, time-outs, keep-alive, order, TLS.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from predictors.served_model import ServedModel
from predictors.serving.replies import reply_to

_STATUS_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
#: With any of these the request's body is not simply the bytes that follow, so uvicorn and the ASGI layer read it.
_ELSEWHERE = frozenset({b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"})


def fast_http(models: Iterable[ServedModel], *, inline_body_bytes: int) -> type[HttpToolsProtocol]:
    """Return the protocol class that answers for these models.

    Args:
        models: The models; those without a fast scorer are left to the ASGI layer.
        inline_body_bytes: The largest body that may hold the event loop while it is scored.
    """
    routes = {}
    for model in models:
        if model.scorer.inline:
            path = f"/v2/models/{quote(model.name, safe='')}"
            routes[f"{path}/infer".encode()] = model
            routes[f"{path}/versions/{quote(model.version, safe='')}/infer".encode()] = model
    return type("FastHttp", (_FastHttp,), {"routes": routes, "inline_body_bytes": inline_body_bytes})


class _FastHttp(HttpToolsProtocol):
    routes: ClassVar[Mapping[bytes, ServedModel]] = {}
    inline_body_bytes: ClassVar[int] = 0

    _model: ServedModel | None = None  # of the request that is being read, when it goes the fast way
    _parts: list[bytes]
    _ending = False

    def on_headers_complete(self) -> None:
        model = self.routes.get(self.url)
        if model is None or not self._is_fast():
            super().on_headers_complete()
            return
        self._model = model
        self._parts = []

    def on_body(self, body: bytes) -> None:
        if self._model is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        model = self._model
        if model is None:
            super().on_message_complete()
            return
        self._model = None
        reply = reply_to(model, b"".join(self._parts), self.headers)
        keep_alive = self.parser.should_keep_alive() and not self._ending
        head = [_STATUS_LINES[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            head += (name, b": ", value, b"\r\n")
        if not keep_alive:
            head.append(b"connection: close\r\n")
        self.transport.write(b"".join((*head, b"\r\n", reply.body)))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def shutdown(self) -> None:
        if self._model is None:
            super().shutdown()
        else:
            # The request is half read: it is answered first, as uvicorn does with its own.
            self._ending = True

    def _is_fast(self) -> bool:
        """Whether the request may be answered at once, and its body is small and simply follows."""
        if self.parser.get_method() != b"POST" or self.flow.write_paused or self.transport.is_closing():
            return False
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            return False  # an earlier request of this connection is answered first
        length = None
        for name, value in self.headers:
            if name in _ELSEWHERE:
                return False
            if name == b"content-length":
                length = int(value)
        return length is not None and length <= self.inline_body_bytes
