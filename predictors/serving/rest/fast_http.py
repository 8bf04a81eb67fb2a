# SPDX-License-Identifier: Apache-2.0
"""The hot path: a small inference request for a fast model is answered inside the HTTP protocol class.

A request that came whole is parsed, scored and written to the transport in one callback: no task, no ASGI messages.
Clients send the same head again and again, so what the parser made of one is remembered by its bytes, and the next
request with these bytes is answered without parsing them. Where a model without a fast scorer has as many requests
waiting as it may, one more is refused here too: refusing must stay cheap while the server is busy. Every other request,
and every connection, goes on as uvicorn has it: limits, time-outs, keep-alive, order, TLS.
"""

import re
import time
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple
from urllib.parse import unquote

from predictors.errors import PredictorError
from predictors.serving.endpoint import Endpoint
from predictors.serving.lifecycle import Lifecycle
from predictors.serving.rest.http_protocol import END_OF_HEAD, MOST_HEADERS, STATUS_LINES, HttpProtocol
from predictors.serving.rest.inference import reply_now
from predictors.serving.rest.replies import JSON, refusal_reply
from predictors.serving.rest.request_head import RequestHead, read_head
from predictors.serving.scoring_queue import ScoringQueue

#: With any of these the request's body is not simply the bytes that follow, so uvicorn and the ASGI layer read it.
_ELSEWHERE: Final = frozenset({b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"})
_INFER: Final = re.compile(rb"/v2/models/(?P<model>[^/?#]+)(?:/versions/(?P<version>[^/?#]+))?/infer")
_OK: Final = 200
_LONGEST_HEAD: Final = 2048
_MOST_HEADS: Final = 512


class _Known(NamedTuple):
    """What a request's head says, when the request may go the fast way.

    Attributes:
        model: Whom it asks.
        version: The version that its path names, if any.
        head: What its headers say.
        length: The length of its body in bytes.
    """

    model: str
    version: str | None
    head: RequestHead
    length: int


def fast_http(ready: Mapping[str, Endpoint], lifecycle: Lifecycle, *, inline_body_bytes: int) -> type[HttpProtocol]:
    """Return the protocol class that answers for these models.

    Args:
        ready: The models that answer, by name; looked up anew for each request.
        lifecycle: Whether the server still wants to keep connections.
        inline_body_bytes: The largest body that may hold the event loop while it is scored.
    """
    members = {
        "ready": ready,
        "lifecycle": lifecycle,
        "inline_body_bytes": inline_body_bytes,
        "known_heads": {},
        "usual_head": _UsualHead(),
        "refusals": {},
    }
    return type("FastHttp", (_FastHttp,), members)


class _FastHttp(HttpProtocol):
    ready: ClassVar[Mapping[str, Endpoint]]
    lifecycle: ClassVar[Lifecycle]
    inline_body_bytes: ClassVar[int]
    known_heads: ClassVar[dict[bytes, _Known]]
    usual_head: "ClassVar[_UsualHead]"
    refusals: ClassVar[dict[str, tuple[object, bytes]]]

    # Of the request that is being read, when it goes the fast way:
    _endpoint: Endpoint | None = None
    _known: _Known
    _parts: list[bytes]

    _whole: bytes | None = None  # what came last, when it may be one whole request, to be remembered
    _ending = False  # whether the connection ends with the request that is being read
    _answered = 0.0  # when the last fast answer was given, by the event loop's clock
    _queue: ScoringQueue | None = None  # where the request that is answered elsewhere has its place

    def data_received(self, data: bytes) -> None:
        self._whole = None
        if not self._reading and self._is_idle():
            end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
            known = self.known_heads.get(data[:end])
            if known is not None and len(data) == end + known.length:
                endpoint = self._fast_endpoint(known.model, known.version)
                if endpoint is not None:
                    self._answer(endpoint, known, data[end:], keep=True)
                    return
            self._whole = data
        super().data_received(data)

    def on_headers_complete(self) -> None:
        known = self._read_fast()
        endpoint = None if known is None else self._fast_endpoint(known.model, known.version)
        if known is None or endpoint is None:
            self._whole = None
            # An earlier request in the same bytes may have been answered, and the timer set, just now.
            self._unset_keepalive_if_required()
            super().on_headers_complete()
            if known is not None:
                self._admit(known.model)
            return
        self._in_head = False
        self._endpoint = endpoint
        self._known = known
        self._parts = []

    def on_body(self, body: bytes) -> None:
        if self._endpoint is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        self._reading = False
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            super().on_message_complete()
            return
        body = b"".join(self._parts)
        keep = self.parser.should_keep_alive()
        if keep and self._whole is not None:
            self._remember(self._whole, body)
        self._whole = None
        self._answer(endpoint, self._known, body, keep=keep and not self._ending)

    def on_response_complete(self) -> None:
        self._release()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._endpoint is None:
            super().shutdown()
        else:
            # The request is half read: it is answered first, as uvicorn does with its own.
            self._ending = True

    def timeout_keep_alive_handler(self) -> None:
        # The hot path leaves the timer as it is, so what counts is when it last answered.
        left = self._answered + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _admit(self, model: str) -> None:
        """Count a request as let in now: until it is in the queue, hundreds of others may be read."""
        endpoint = self.ready.get(model)
        if endpoint is not None and self._queue is None:
            self._queue = endpoint.queue
            self._queue.admitted += 1

    def _release(self) -> None:
        if self._queue is not None:
            self._queue.admitted -= 1
            self._queue = None

    def _fast_endpoint(self, model: str, version: str | None) -> Endpoint | None:
        """Return the model that is asked, when it is answered, or refused, at once."""
        endpoint = self.ready.get(model)
        if endpoint is None or (version is not None and version != endpoint.model.version):
            return None
        return endpoint if endpoint.model.scorer.inline or endpoint.queue.is_full else None

    def _read_fast(self) -> _Known | None:
        """Return what the head says when its request may be answered at once, and has a small body that follows."""
        if self.parser.get_method() != b"POST" or len(self.headers) > MOST_HEADERS or not self._is_idle():
            return None
        match = _INFER.fullmatch(self.url)
        if match is None:
            return None
        length = None
        for name, value in self.headers:
            if name in _ELSEWHERE:
                return None
            if name == b"content-length":
                length = int(value)
        if length is None or length > self.inline_body_bytes:
            return None
        try:
            head = read_head(self.headers)
        except PredictorError:
            return None  # refused where every refusal is
        version = match["version"]
        return _Known(_text(match["model"]), None if version is None else _text(version), head, length)

    def _remember(self, whole: bytes, body: bytes) -> None:
        """Remember the head of a request, where what came is its head and its body, and nothing else."""
        end = whole.find(END_OF_HEAD) + len(END_OF_HEAD)
        if whole[end:] == body and len(body) == self._known.length and end <= _LONGEST_HEAD:
            if len(self.known_heads) >= _MOST_HEADS:
                self.known_heads.clear()
            self.known_heads[whole[:end]] = self._known

    def _refuse(self, endpoint: Endpoint, known: _Known, *, keep: bool) -> bytes:
        """Count a refusal, and return its answer, which is made anew when uvicorn changes the date."""
        refusal = endpoint.refused(endpoint.queue.full, known.head.origin, time.perf_counter_ns())
        if not keep:
            return self._content(refusal_reply(refusal), keep=False)
        defaults = self.server_state.default_headers
        made_of, content = self.refusals.get(endpoint.model.name, (None, b""))
        if made_of is not defaults:
            content = self._content(refusal_reply(refusal), keep=True)
            self.refusals[endpoint.model.name] = (defaults, content)
        return content

    def _answer(self, endpoint: Endpoint, known: _Known, body: bytes, *, keep: bool) -> None:
        keep = keep and self.lifecycle.is_ready
        if not endpoint.model.scorer.inline:
            content = self._refuse(endpoint, known, keep=keep)
        else:
            reply = reply_now(endpoint, body, known.head, time.perf_counter_ns())
            if reply.status == _OK and keep and reply.content_type is JSON and not reply.extra:
                content = b"%bcontent-length: %d\r\n\r\n%b" % (self._usual_head(), len(reply.body), reply.body)
            else:
                content = self._content(reply, keep=keep)
        self.transport.write(content)
        if not keep:
            self.transport.close()
        self._answered = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.on_response_complete()

    def _usual_head(self) -> bytes:
        """Return the head of nearly every answer, up to its length; made anew when uvicorn changes the date."""
        defaults = self.server_state.default_headers
        if defaults is not self.usual_head.made_of:
            lines = (b"%b: %b\r\n" % header for header in (*defaults, (b"content-type", JSON)))
            self.usual_head.content = STATUS_LINES[_OK] + b"".join(lines)
            self.usual_head.made_of = defaults
        return self.usual_head.content


class _UsualHead:
    """The head of nearly every answer, with the headers of uvicorn's that it was made of."""

    content = b""
    made_of: object = None


def _text(part: bytes) -> str:
    return unquote(part.decode("latin-1"))
