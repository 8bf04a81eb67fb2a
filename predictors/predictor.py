# SPDX-License-Identifier: Apache-2.0
"""The KServe model: any artifact behind ``kserve.Model``, for V1 and gRPC requests as KServe decodes them.

KServe reads ``sys.argv`` when it is imported, so this module is imported in the server's process only. REST inference
over V2 does not pass here: the server answers it from the request's bytes.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import kserve
import numpy as np
import numpy.typing as npt
from kserve.errors import InvalidInput, ModelNotFound

from predictors.errors import InvalidRequestError
from predictors.served_model import ServedModel
from predictors.signature import Tensors, TensorSpec
from predictors.v2.binary import encode_raw, text_of
from predictors.v2.metadata import tensor_metadata
from predictors.v2.request import InferRequest, parse_json
from predictors.v2.tensor import TensorReader


class Predictor(kserve.Model):  # type: ignore[misc]  # KServe ships no types
    """Serves one loaded model under ``kserve.ModelServer``.

    ``preprocess`` turns what KServe decoded into validated tensors, ``predict`` scores them, and ``postprocess``
    makes the answer of the request's own protocol; a subclass may override any of them.
    """

    def __init__(self, model: ServedModel, *, executor: Executor | None = None) -> None:
        """Wrap a model that is loaded, verified and warm, so the predictor is ready at once.

        Args:
            model: The loaded model.
            executor: Scores what must not hold the event loop; None takes the event loop's own.
        """
        super().__init__(model.name)
        self.model = model
        self._executor = executor
        self.ready = True

    async def __call__(self, body: Any, headers: dict[str, str] | None = None, verb: Any = None) -> Any:
        """Answer one decoded request; a request's fault becomes the error that KServe gives the right status."""
        if verb is not None and verb is not kserve.model.InferenceVerb.PREDICT:
            raise InvalidInput("this model answers predictions only")
        try:
            request = await self.preprocess(body, headers)
            outputs = await self.predict(request, headers)
        except InvalidRequestError as err:
            raise InvalidInput(str(err)) from err
        return await self.postprocess(body, request, outputs), {}

    async def preprocess(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,  # noqa: ARG002 (KServe's signature)
    ) -> InferRequest:
        """Return the validated tensors of a V1 document or of a gRPC request."""
        if isinstance(payload, kserve.InferRequest):
            return self._read_v2(payload)
        return self._read_v1(payload)

    async def predict(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002 (likewise)
        *_: Any,
    ) -> Tensors:
        """Return the outputs, scored outside the event loop unless the scorer is a fast one."""
        if self.model.scorer.inline:
            return self.model.predict(payload.inputs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self.model.predict, payload.inputs)

    async def postprocess(self, payload: Any, request: InferRequest, outputs: Tensors) -> Any:
        """Return the answer in the request's protocol."""
        if isinstance(payload, kserve.InferRequest):
            return self._write_v2(request, outputs)
        return self._write_v1(outputs)

    async def get_input_types(self) -> list[dict[str, object]]:
        """Return the inputs as V2 metadata tells them."""
        return [tensor_metadata(spec) for spec in self.model.signature.inputs]

    async def get_output_types(self) -> list[dict[str, object]]:
        """Return the outputs as V2 metadata tells them."""
        return [tensor_metadata(spec) for spec in self.model.signature.outputs]

    def _read_v2(self, payload: kserve.InferRequest) -> InferRequest:
        if payload.model_version not in {None, "", self.model.version}:
            raise ModelNotFound(f"{self.name} in version {payload.model_version}")
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for tensor in payload.inputs:
            reader = self.model.reader.tensor(tensor.name, arrays)
            arrays[reader.name] = _array(reader, tensor)
        asked = [{"name": output.name} for output in payload.request_outputs or ()]
        names, _ = self.model.reader.outputs(asked or None, all_binary=False)
        return InferRequest(payload.id or None, self.model.reader.complete(arrays), names)

    def _write_v2(self, request: InferRequest, outputs: Tensors) -> kserve.InferResponse:
        specs = {spec.name: spec for spec in self.model.signature.outputs}
        names = request.outputs or tuple(specs)
        return kserve.InferResponse(
            response_id=request.id or "",
            model_name=self.name,
            model_version=self.model.version,
            infer_outputs=[kserve.InferOutput(name, list(outputs[name].shape), specs[name].datatype) for name in names],
            raw_outputs=[encode_raw(outputs[name]) for name in names],
            from_grpc=True,
        )

    def _read_v1(self, payload: object) -> InferRequest:
        """Read ``{"instances": [...]}``: a row each, as a list or value of one tensor or an object of several."""
        if isinstance(payload, bytes):
            # KServe decodes JSON only where the content type says so; curl's default does not.
            payload = parse_json(payload)
        instances = payload.get("instances") if isinstance(payload, Mapping) else None
        if not isinstance(instances, list) or not instances:
            raise InvalidRequestError('a V1 request must be an object with "instances", a list of rows')
        required = [spec for spec in self.model.signature.inputs if spec.default is None]
        inputs = []
        for spec in required:
            rows = instances
            if isinstance(instances[0], Mapping):
                rows = [_field(instance, spec) for instance in instances]
            elif len(required) > 1:
                raise InvalidRequestError("each of the instances must be an object with a value for each input")
            shape = [len(rows), *spec.shape[1:]]
            inputs.append({"name": spec.name, "datatype": spec.datatype, "shape": shape, "data": rows})
        return self.model.reader.read_document({"inputs": inputs})

    def _write_v1(self, outputs: Tensors) -> dict[str, Any]:
        lists = {name: np.asarray(array).tolist() for name, array in outputs.items()}
        if len(lists) == 1:
            return {"predictions": next(iter(lists.values()))}
        return {"predictions": [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]}


def _field(instance: object, spec: TensorSpec) -> object:
    if not isinstance(instance, Mapping) or spec.name not in instance:
        raise InvalidRequestError(f'each of the instances must have "{spec.name}"')
    return instance[spec.name]


def _array(reader: TensorReader, tensor: kserve.InferInput) -> Any:
    # KServe keeps raw contents in a private attribute: its public as_numpy() would guess and reshape unchecked.
    raw = tensor._raw_data
    if raw is not None:
        return reader.read_raw(tensor.datatype, tensor.shape, raw)
    reader.check_datatype(tensor.datatype)
    values = tensor.data or []
    if tensor.datatype == "BYTES":
        values = [text_of(tensor.name, value) for value in values]
    return reader.from_values(values, reader.check_shape(tensor.shape))
