# SPDX-License-Identifier: Apache-2.0
"""The outermost ASGI layer: it answers V2, its extensions and the metrics itself, and passes V1 on to KServe's app."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import orjson

from predictors.errors import InvalidRequestError, ModelNotFoundError, NotReadyError, PredictorError
from predictors.serving.endpoint import Endpoint, refusal_of
from predictors.serving.lifecycle import Lifecycle, Phase
from predictors.serving.management import Management
from predictors.serving.metrics.exposition import CONTENT_TYPE, Metrics
from predictors.serving.models import Models
from predictors.serving.rest.replies import Headers, Reply, refusal_reply
from predictors.serving.rest.request_head import RequestHead, read_head
from predictors.serving.unpacking import too_large
from predictors.v2.response import error_body

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_V2: Final = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>infer|ready|stats))?"
    r"|/v2/repository/models/(?P<stored>[^/]+)/(?P<change>load|unload)"
)
_POSTED: Final = frozenset({"infer", "load", "unload"})
_TOLD_WHILE_LOADING: Final = frozenset({"alive", "live", "ready", "server", "server ready"})
_CLOSE: Final = (b"connection", b"close")


class _Route(NamedTuple):
    """What a path asks for.

    Attributes:
        verb: What to do.
        model: The model in the path, if any.
        version: Its version in the path, if any.
    """

    verb: str
    model: str = ""
    version: str | None = None


_FIXED: Final = {
    "/": _Route("alive"),
    "/metrics": _Route("metrics"),
    "/v2": _Route("server"),
    "/v2/": _Route("server"),
    "/v2/health/live": _Route("live"),
    "/v2/health/ready": _Route("server ready"),
    "/v2/models": _Route("models"),
    "/v2/models/stats": _Route("all stats"),
    "/v2/repository/index": _Route("index"),
}


class Inference(Protocol):
    """Answers the inference requests of one protocol."""

    async def reply(self, endpoint: Endpoint, head: RequestHead, body: bytes, arrived: int) -> Reply:
        """Return the reply to a request; what goes wrong is a reply too."""
        ...


class V2App:
    """Answers inference, metadata, health and the extensions over V2."""

    def __init__(
        self,
        models: Models,
        lifecycle: Lifecycle,
        management: Management,
        inference: Inference,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        v1: App | None = None,
    ) -> None:
        """Answer for these models.

        Args:
            models: The models.
            lifecycle: Whether the server is ready.
            management: Answers what else is asked of them.
            inference: Answers inference requests.
            metrics: The metrics of the models.
            max_body_bytes: A larger body is refused with 413.
            v1: Answers what begins with ``/v1``.
        """
        self._models = models
        self._lifecycle = lifecycle
        self._management = management
        self._inference = inference
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._v1 = v1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http":
            return  # no lifespan to manage, and no web sockets
        if self._v1 is not None and path.startswith("/v1/"):
            await self._pass_on(self._v1, scope, receive, send)
            return
        await self._answer(path, scope, receive, send)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is not V1's."""
        try:
            reply = await self._reply(path, scope, receive)
        except asyncio.CancelledError:
            # The server ends before the answer is there; or the client is gone, and nothing is sent any more.
            reply = refusal_reply(refusal_of(NotReadyError("the server has stopped")))
        except Exception as err:
            # The request's edge: whatever goes wrong inside ends here.
            reply = refusal_reply(refusal_of(err))
        if self._lifecycle.phase is Phase.DRAINING:
            reply = reply._replace(extra=(*reply.extra, _CLOSE))
        await _send(send, reply)

    async def _pass_on(self, other: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Let another app answer, once the body is found to be within the limit."""
        try:
            body = await self._body(scope["headers"], receive)
        except PredictorError as err:
            await _send(send, refusal_reply(refusal_of(err)))
            return
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def read_again() -> MutableMapping[str, Any]:
            return next(messages, None) or await receive()

        await other(scope, read_again, send)

    async def _reply(self, path: str, scope: Scope, receive: Receive) -> Reply:
        route = _FIXED.get(path) or _route_of(path)
        if route is None or route.verb not in _TOLD_WHILE_LOADING:
            self._lifecycle.check_loaded()
        if route is None:
            raise ModelNotFoundError(f"there is nothing at {path}")
        allowed = ("POST",) if route.verb in _POSTED else ("GET", "POST") if route.verb == "index" else ("GET",)
        if scope["method"] not in allowed:
            return not_allowed(path, allowed)
        if route.verb == "infer":
            return await self._infer(self._find(route), scope["headers"], receive, self._inference)
        if route.verb == "metrics":
            return Reply(HTTPStatus.OK, self._metrics.exposition(), CONTENT_TYPE.encode())
        if route.verb in {"load", "unload"}:
            if route.verb == "load":
                await self._management.load(route.model)
            else:
                self._management.unload(route.model)
            return Reply(HTTPStatus.OK, b"{}")
        return self._tell(route)

    def _find(self, route: _Route) -> Endpoint:
        return self._models.find(route.model, route.version)

    async def _infer(self, endpoint: Endpoint, headers: Headers, receive: Receive, inference: Inference) -> Reply:
        arrived = time.perf_counter_ns()
        head = RequestHead()
        try:
            head = read_head(headers)
            body = await self._body(headers, receive)
        except Exception as err:
            # The request's edge, as above; here it is known which model it is counted for.
            return refusal_reply(endpoint.refused(err, head.origin, arrived))
        waiting = asyncio.create_task(_end_with_client(receive, asyncio.current_task()))
        try:
            return await inference.reply(endpoint, head, body, arrived)
        finally:
            waiting.cancel()

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        for name, value in headers:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise too_large(self._max_body_bytes)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequestError("the connection ended within the request's body")
            body.extend(message.get("body", b""))
            if len(body) > self._max_body_bytes:
                raise too_large(self._max_body_bytes)
            if not message.get("more_body", False):
                return bytes(body)

    def _tell(self, route: _Route) -> Reply:
        management, name, version = self._management, route.model, route.version
        if route.verb == "ready":
            ready = management.is_model_ready(name, version)
            return _json({"name": name, "ready": ready}, ready=ready)
        if route.verb == "server ready":
            ready = management.is_ready()
            return _json({"ready": ready}, ready=ready)
        tellers: dict[str, Callable[[], object]] = {
            "alive": lambda: {"status": "alive"},
            "live": lambda: {"live": True},
            "server": management.server_metadata,
            "models": lambda: {"models": management.names()},
            "model": lambda: management.metadata(name, version),
            "stats": lambda: management.statistics(name, version),
            "all stats": management.statistics,
            "index": management.index,
        }
        return _json(tellers[route.verb]())


def not_allowed(path: str, allowed: Sequence[str]) -> Reply:
    """Return the refusal of a method that a path does not take."""
    body = error_body(f"{path} takes {' or '.join(allowed)}")
    return Reply(HTTPStatus.METHOD_NOT_ALLOWED, body, extra=((b"allow", ", ".join(allowed).encode()),))


def _json(document: object, *, ready: bool = True) -> Reply:
    return Reply(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, orjson.dumps(document))


async def _end_with_client(receive: Receive, answering: "asyncio.Task[object] | None") -> None:
    """End what nobody waits for any more, so that it leaves the queue; after a whole body only this can be received."""
    await receive()
    if answering is not None:
        answering.cancel()


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": int(reply.status), "headers": reply.headers()})
    await send({"type": "http.response.body", "body": reply.body})


def _route_of(path: str) -> _Route | None:
    match = _V2.fullmatch(path)
    if match is None:
        return None
    if match["change"]:
        return _Route(match["change"], match["stored"])
    return _Route(match["verb"] or "model", match["model"], match["version"])
