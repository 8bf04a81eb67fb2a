# SPDX-License-Identifier: Apache-2.0
"""The outermost ASGI layer: it answers the V2 protocol itself and passes everything else on to KServe's app."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson

from predictors.errors import InvalidRequestError, ModelNotFoundError, RequestTooLargeError
from predictors.served_model import ServedModel
from predictors.serving.replies import Headers, Reply, json_reply, reply_of_error, reply_to
from predictors.v2.metadata import model_metadata, server_metadata
from predictors.v2.response import error_body

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_MODEL_PATH: Final = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>infer|ready))?"
)
_SERVER_PATHS: Final = frozenset({"/v2", "/v2/", "/v2/models", "/v2/health/live", "/v2/health/ready"})


class V2App:
    """Answers inference, metadata and health over V2: what clients ask, of the server, a model or a version of it."""

    def __init__(
        self,
        other: App,
        models: Iterable[ServedModel],
        *,
        max_body_bytes: int,
        inline_body_bytes: int,
        executor: Executor,
    ) -> None:
        """Stand in front of another app.

        Args:
            other: What answers every other request.
            models: The models that answer here.
            max_body_bytes: A larger body is refused with 413.
            inline_body_bytes: A larger one is scored in a thread even where the scorer is fast.
            executor: Scores what must not hold the event loop.
        """
        self._other = other
        self._models: Mapping[str, ServedModel] = {model.name: model for model in models}
        self._max_body_bytes = max_body_bytes
        self._inline_body_bytes = inline_body_bytes
        self._executor = executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        match = _MODEL_PATH.fullmatch(path)
        if scope["type"] != "http" or (match is None and path not in _SERVER_PATHS):
            await self._other(scope, receive, send)
            return
        infers = match is not None and match["verb"] == "infer"
        allowed = "POST" if infers else "GET"
        try:
            if scope["method"] != allowed:
                refused = json_reply(HTTPStatus.METHOD_NOT_ALLOWED, error_body(f"{path} takes {allowed}"))
                reply = refused._replace(headers=[*refused.headers, (b"allow", allowed.encode())])
            elif match is None:
                reply = json_reply(HTTPStatus.OK, orjson.dumps(self._tell_server(path)))
            elif infers:
                reply = await self._infer(self._model(match["model"], match["version"]), scope["headers"], receive)
            else:
                told = _tell_model(self._model(match["model"], match["version"]), match["verb"])
                reply = json_reply(HTTPStatus.OK, orjson.dumps(told))
        except Exception as err:
            # The request's edge: whatever goes wrong inside ends here.
            reply = reply_of_error(err)
        await send({"type": "http.response.start", "status": int(reply.status), "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _model(self, name: str, version: str | None) -> ServedModel:
        model = self._models.get(name)
        if model is None:
            raise ModelNotFoundError(f'no model "{name}" is served here; there is {", ".join(sorted(self._models))}')
        if version is not None and version != model.version:
            raise ModelNotFoundError(f'model "{name}" is served in version {model.version}, not "{version}"')
        return model

    def _tell_server(self, path: str) -> dict[str, object]:
        # Models are loaded and warm before the server answers at all, so one that answers is ready.
        if path.startswith("/v2/health/"):
            return {path.rpartition("/")[2]: True}
        return {"models": sorted(self._models)} if path == "/v2/models" else server_metadata()

    async def _infer(self, model: ServedModel, headers: Headers, receive: Receive) -> Reply:
        body = await self._body(headers, receive)
        if model.scorer.inline and len(body) <= self._inline_body_bytes:
            return reply_to(model, body, headers)
        return await asyncio.get_running_loop().run_in_executor(self._executor, reply_to, model, body, headers)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        for name, value in headers:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise self._too_large()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequestError("the connection ended within the request's body")
            body.extend(message.get("body", b""))
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> RequestTooLargeError:
        return RequestTooLargeError(f"the request's body is over the limit of {self._max_body_bytes} bytes")


def _tell_model(model: ServedModel, verb: str | None) -> dict[str, object]:
    if verb == "ready":
        return {"name": model.name, "ready": True}
    return model_metadata(model.name, model.version, f"portside_{model.scorer.name}", model.signature)
