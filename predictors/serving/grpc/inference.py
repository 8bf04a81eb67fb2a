# SPDX-License-Identifier: Apache-2.0
"""ModelInfer: from a message's bytes to those of its answer, at once or by way of the threads."""

import time
from collections.abc import Awaitable
from concurrent.futures import Executor
from typing import Any

from predictors.serving.endpoint import Endpoint, Origin, Refusal
from predictors.serving.grpc.status import call_refused
from predictors.serving.models import Models
from predictors.serving.placing import Placing
from predictors.serving.scored import Scored
from predictors.v2.protobuf import parse_infer, read_infer, write_infer
from predictors.v2.request import InferRequest


class GrpcInference:
    """Answers ModelInfer for messages of any size and any scorer."""

    def __init__(self, models: Models, executor: Executor, *, inline_body_bytes: int) -> None:
        """Answer for these models.

        Args:
            models: The models.
            executor: Threads for what must not hold the event loop.
            inline_body_bytes: The largest message that is read, and by a fast scorer scored, on the event loop.
        """
        self._models = models
        self._placing = Placing(executor)
        self._inline_body_bytes = inline_body_bytes

    def infer(self, body: bytes, origin: Origin, arrived: int) -> bytes | Awaitable[bytes]:
        """Return the ModelInferResponse to a ModelInferRequest, both as bytes.

        Args:
            body: The request.
            origin: Where it comes from.
            arrived: When it came, in nanoseconds of ``time.perf_counter_ns``.

        Raises:
            PredictorError: There is no such model, or it is not known which one is meant, so no model counts it.
            CallRefusedError: Anything else that went wrong, counted and logged.
        """
        if len(body) > self._inline_body_bytes:
            return self._infer_large(body, origin, arrived)
        message = parse_infer(body)
        endpoint = self._models.find(message.model_name, message.model_version or None)
        if endpoint.model.scorer.inline:
            return _infer_now(endpoint, message, origin, arrived)
        return self._infer(endpoint, message, origin, arrived, small=True)

    async def _infer_large(self, body: bytes, origin: Origin, arrived: int) -> bytes:
        message = await self._placing.run(False, parse_infer, body)
        endpoint = self._models.find(message.model_name, message.model_version or None)
        return await self._infer(endpoint, message, origin, arrived, small=False)

    async def _infer(self, endpoint: Endpoint, message: Any, origin: Origin, arrived: int, *, small: bool) -> bytes:
        run = self._placing.run
        answer = await endpoint.answer(
            origin,
            arrived,
            lambda: run(small, read_infer, endpoint.model.reader, message),
            lambda request, scored: run(small, _write, endpoint, request, scored),
        )
        if isinstance(answer, Refusal):
            raise call_refused(answer)
        return answer


def _infer_now(endpoint: Endpoint, message: Any, origin: Origin, arrived: int) -> bytes:
    request = None
    try:
        request = read_infer(endpoint.model.reader, message)
        read = time.perf_counter_ns()
        scored = endpoint.predict_now(request, origin, arrived)
        answer = _write(endpoint, request, scored)
    except Exception as err:
        # The request's edge: whatever goes wrong inside ends here.
        raise call_refused(endpoint.refused(err, origin, arrived, request)) from err
    endpoint.answered(request, origin, scored, arrived, read)
    return answer


def _write(endpoint: Endpoint, request: InferRequest, scored: Scored) -> bytes:
    model = endpoint.model
    return write_infer(model.name, model.version, model.signature, request, scored.outputs)
