# SPDX-License-Identifier: Apache-2.0
"""The KServe model: a served model behind ``kserve.Model``, for V1 requests as KServe decodes them.

KServe reads ``sys.argv`` when it is imported, and takes seconds for it, so this module is imported in the server's
process only, and there with the first V1 request. V2, over REST and gRPC, does not pass here.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import kserve
import numpy as np
from kserve.errors import InvalidInput

from predictors.errors import InvalidRequestError, PredictorError
from predictors.serving.endpoint import Origin, Refusal
from predictors.serving.models import Models
from predictors.signature import Tensors, TensorSpec
from predictors.v2.request import InferRequest, RequestReader, parse_json


class Predictor(kserve.Model):  # type: ignore[misc]  # KServe ships no types
    """Serves one model under ``kserve.ModelServer``.

    ``preprocess`` turns what KServe decoded into validated tensors, ``predict`` scores them, and ``postprocess``
    makes the answer; a subclass may override any of them.
    """

    def __init__(self, name: str, models: Models) -> None:
        """Answer for a model.

        Args:
            name: Its name.
            models: The models of this server, asked anew for each request.
        """
        super().__init__(name)
        self._models = models
        self.ready = True

    async def healthy(self) -> bool:
        """Return whether the model answers."""
        return self._models.is_ready(self.name)

    async def __call__(self, body: Any, headers: dict[str, str] | None = None, verb: Any = None) -> Any:
        """Answer one decoded request; a request's fault is an error that knows its HTTP status."""
        if verb is not None and verb is not kserve.model.InferenceVerb.PREDICT:
            raise InvalidInput("this model answers predictions only")
        arrived = time.perf_counter_ns()
        told = headers or {}
        origin = Origin("v1", told.get("x-request-id"), told.get("traceparent"))
        answer = await self._models.find(self.name).answer(
            origin,
            arrived,
            lambda: self.preprocess(body, headers),
            lambda _, scored: self.postprocess(scored.outputs, headers),
        )
        if isinstance(answer, Refusal):
            raise V1Error(answer.status, answer.sentence)
        return answer, {}

    async def preprocess(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,  # noqa: ARG002 (KServe's signature)
    ) -> InferRequest:
        """Return the validated tensors of a V1 document."""
        model = self._models.find(self.name).model
        return _read_v1(payload, model.signature.inputs, model.reader)

    async def postprocess(
        self,
        result: Tensors,
        headers: dict[str, str] | None = None,  # noqa: ARG002 (likewise)
    ) -> dict[str, Any]:
        """Return the V1 answer."""
        lists = {name: np.asarray(array).tolist() for name, array in result.items()}
        if len(lists) == 1:
            return {"predictions": next(iter(lists.values()))}
        return {"predictions": [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]}


class V1Error(PredictorError):
    """A refusal of a V1 request, counted and logged already."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = HTTPStatus(status)


def _read_v1(payload: object, specs: tuple[TensorSpec, ...], reader: RequestReader) -> InferRequest:
    """Read ``{"instances": [...]}``: a row each, as a list or value of one tensor or an object of several."""
    if isinstance(payload, bytes):
        # KServe decodes JSON only where the content type says so; curl's default does not.
        payload = parse_json(payload)
    instances = payload.get("instances") if isinstance(payload, Mapping) else None
    if not isinstance(instances, list) or not instances:
        raise InvalidRequestError('a V1 request must be an object with "instances", a list of rows')
    required = [spec for spec in specs if spec.default is None]
    inputs = []
    for spec in required:
        rows = instances
        if isinstance(instances[0], Mapping):
            rows = [_field(instance, spec) for instance in instances]
        elif len(required) > 1:
            raise InvalidRequestError("each of the instances must be an object with a value for each input")
        shape = [len(rows), *spec.shape[1:]]
        inputs.append({"name": spec.name, "datatype": spec.datatype, "shape": shape, "data": rows})
    return reader.read_document({"inputs": inputs})


def _field(instance: object, spec: TensorSpec) -> object:
    if not isinstance(instance, Mapping) or spec.name not in instance:
        raise InvalidRequestError(f'each of the instances must have "{spec.name}"')
    return instance[spec.name]
