# SPDX-License-Identifier: Apache-2.0
"""The outermost ASGI layer: it answers V2 inference requests itself and passes everything else on to KServe's app."""

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from predictors.errors import InvalidRequestError, ModelNotFoundError, PredictorError, RequestTooLargeError
from predictors.served_model import ServedModel
from predictors.v2.response import Answer, error_body

_log = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_LENGTH: Final = b"inference-header-content-length"
_INFER_PATH: Final = re.compile(r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer")
_Headers: TypeAlias = list[tuple[bytes, bytes]]


class InferApp:
    """Answers ``POST /v2/models/{model}[/versions/{version}]/infer``."""

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
        match = _INFER_PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None:
            await self._other(scope, receive, send)
            return
        if scope["method"] != "POST":
            refusal = error_body("inference takes POST")
            await _respond(send, HTTPStatus.METHOD_NOT_ALLOWED, refusal, [(b"allow", b"POST")])
            return
        try:
            answer = await self._answer(match["model"], match["version"], scope["headers"], receive)
        except PredictorError as err:
            await _respond(send, err.status, error_body(str(err)), [])
        except Exception:
            # The request's edge: whatever went wrong inside must not show the caller how this server is made.
            incident = uuid.uuid4().hex
            _log.exception("request %s to model %s failed", incident, match["model"])
            sentence = f"the server failed to answer; its log tells more under {incident}"
            await _respond(send, HTTPStatus.INTERNAL_SERVER_ERROR, error_body(sentence), [])
        else:
            headers = [] if answer.json_length is None else [(JSON_LENGTH, b"%d" % answer.json_length)]
            await _respond(send, HTTPStatus.OK, answer.body, headers, binary=answer.json_length is not None)

    async def _answer(self, name: str, version: str | None, headers: _Headers, receive: Receive) -> Answer:
        model = self._models.get(name)
        if model is None:
            raise ModelNotFoundError(f'no model "{name}" is served here; there is {", ".join(sorted(self._models))}')
        if version is not None and version != model.version:
            raise ModelNotFoundError(f'model "{name}" is served in version {model.version}, not "{version}"')
        json_length = _json_length(headers)
        body = await self._body(headers, receive)
        if model.scorer.inline and len(body) <= self._inline_body_bytes:
            return model.answer(body, json_length)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, model.answer, body, json_length)

    async def _body(self, headers: _Headers, receive: Receive) -> bytes:
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


def _json_length(headers: _Headers) -> int | None:
    for name, value in headers:
        if name == JSON_LENGTH:
            if not value.isdigit():
                raise InvalidRequestError("the header Inference-Header-Content-Length must be a number of bytes")
            return int(value)
    return None


async def _respond(send: Send, status: HTTPStatus, body: bytes, headers: _Headers, *, binary: bool = False) -> None:
    content_type = b"application/octet-stream" if binary else b"application/json"
    head = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": int(status), "headers": head})
    await send({"type": "http.response.body", "body": body})
