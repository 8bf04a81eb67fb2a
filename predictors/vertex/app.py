# SPDX-License-Identifier: Apache-2.0
"""The server as Vertex AI sees it: two routes more, in front of all others; prediction goes the way of a V2 request."""

from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any, Final

import orjson

from predictors.errors import NotReadyError
from predictors.served_model import ServedModel
from predictors.serving.endpoint import Endpoint, Refusal
from predictors.serving.placing import Placing
from predictors.serving.rest.replies import Reply, answer_reply, refusal_reply
from predictors.serving.rest.request_head import RequestHead
from predictors.serving.rest.v2_app import Receive, Scope, Send, V2App, not_allowed
from predictors.serving.scored import Scored
from predictors.serving.unpacking import unpacked
from predictors.v2.request import InferRequest
from predictors.v2.response import Answer
from predictors.vertex.contract import Contract
from predictors.vertex.instances import InstanceReader
from predictors.vertex.predictions import PredictionWriter

_GET: Final = "GET"
_POST: Final = "POST"


class VertexApp(V2App):
    """The outermost ASGI layer with Vertex AI's health and predict routes, for the one model of a server."""

    def __init__(self, *args: Any, contract: Contract, predictions: "VertexPredictions", **words: Any) -> None:
        """Answer for it.

        Args:
            args: As ``V2App`` takes them.
            contract: Vertex AI's routes.
            predictions: Answers predictions.
            words: As ``V2App`` takes them.
        """
        super().__init__(*args, **words)
        self._contract = contract
        self._predictions = predictions
        self._methods: dict[str, list[str]] = {}
        for route, method in ((contract.health_route, _GET), (contract.predict_route, _POST)):
            self._methods.setdefault(route, []).append(method)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] in self._methods:
            await self._answer(scope["path"], scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _reply(self, path: str, scope: Scope, receive: Receive) -> Reply:
        methods = self._methods.get(path)
        if methods is None:
            return await super()._reply(path, scope, receive)
        if scope["method"] not in methods:
            return not_allowed(path, methods)
        if scope["method"] == _GET:
            ready = self._management.is_ready()
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            return Reply(status, orjson.dumps({"ready": ready}))
        self._lifecycle.check_loaded()
        return await self._infer(self._only(), scope["headers"], receive, self._predictions)

    def _only(self) -> Endpoint:
        for endpoint in self._models.ready.values():
            return endpoint
        raise NotReadyError("the model is unloaded; load it before asking it")


class VertexPredictions:
    """Answers prediction requests of any size, for any scorer."""

    def __init__(self, executor: Executor, *, max_body_bytes: int, inline_body_bytes: int) -> None:
        """Keep the limits; see ``RestInference``."""
        self._placing = Placing(executor)
        self._max_body_bytes = max_body_bytes
        self._inline_body_bytes = inline_body_bytes
        self._codec: tuple[ServedModel, InstanceReader, PredictionWriter] | None = None

    async def reply(self, endpoint: Endpoint, head: RequestHead, body: bytes, arrived: int) -> Reply:
        """Return the reply to a request; what goes wrong is a reply too.

        Args:
            endpoint: The model.
            head: What the request's headers say.
            body: Its body.
            arrived: When its head was there, in nanoseconds of ``time.perf_counter_ns``.
        """
        _, reader, writer = self._codec_of(endpoint.model)
        small = head.encoding is None and len(body) <= self._inline_body_bytes

        def read() -> InferRequest:
            content = body if head.encoding is None else unpacked(body, head.encoding, self._max_body_bytes)
            return reader.read(content)

        def write(request: InferRequest, scored: Scored) -> Reply:
            answer = Answer(writer.write(request.rows, scored.outputs), None)
            return answer_reply(answer, gzip=head.wants_gzip)

        run = self._placing.run
        answer = await endpoint.answer(
            head.origin, arrived, lambda: run(small, read), lambda request, scored: run(small, write, request, scored)
        )
        return refusal_reply(answer) if isinstance(answer, Refusal) else answer

    def _codec_of(self, model: ServedModel) -> tuple[ServedModel, InstanceReader, PredictionWriter]:
        # A model that is loaded again is another one.
        if self._codec is None or self._codec[0] is not model:
            signature = model.signature
            self._codec = model, InstanceReader(signature, model.reader), PredictionWriter(signature)
        return self._codec
