# SPDX-License-Identifier: Apache-2.0
"""Golden requests asked through an endpoint, as its clients ask: instances in, predictions out."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Any, Final

import orjson

from pipelines.vertex.connection import SECONDS, Vertex, VertexError
from predictors.artifact import Manifest
from predictors.signature import TensorSpec

#: How often a version that has a share of the traffic only is asked, until an answer is its own.
_ATTEMPTS: Final = 100


class NotReachedError(VertexError):
    """Of so many answers none was the version's own."""


def sender(vertex: Vertex, endpoint: str, deployed: str, manifest: Manifest) -> Callable[[bytes], tuple[int, bytes]]:
    """Return what sends a V2 request to an endpoint in Vertex AI's form, and gives back status and V2 answer.

    Args:
        vertex: Where.
        endpoint: The endpoint's resource name.
        deployed: The id of the deployed model that must answer.
        manifest: Of the version.
    """
    inputs = {spec.name: spec for spec in manifest.signature.inputs}

    def send(body: bytes) -> tuple[int, bytes]:
        instances, parameters = _instances(orjson.loads(body)["inputs"], inputs)
        document = {"endpoint": endpoint, "instances": instances, "parameters": parameters}
        message = vertex.message("PredictRequest", document)
        try:
            predictions = _ask(vertex, message, deployed)
        except VertexError as err:
            return err.code or HTTPStatus.BAD_GATEWAY, orjson.dumps({"error": str(err)})
        outputs = [_output(spec, predictions, len(manifest.signature.outputs)) for spec in manifest.signature.outputs]
        return HTTPStatus.OK, orjson.dumps(
            {"model_name": manifest.name, "model_version": manifest.version, "outputs": outputs}
        )

    return send


def _ask(vertex: Vertex, message: Any, deployed: str) -> list[Any]:
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

    for _ in range(_ATTEMPTS):
        with vertex.told():
            answer = vertex.predictions.predict(message, timeout=SECONDS)
        if answer.deployed_model_id == deployed:
            document: list[Any] = MessageToDict(type(answer).pb(answer)).get("predictions", [])
            return document
    raise NotReachedError(f"of {_ATTEMPTS} answers of the endpoint none came from the deployed model {deployed}")


def _instances(
    tensors: Sequence[dict[str, Any]], inputs: dict[str, TensorSpec]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a V2 request's rows as instances, and its inputs that are not made of rows as parameters."""
    rows: dict[str, list[Any]] = {}
    parameters: dict[str, Any] = {}
    for tensor in tensors:
        name, shape = tensor["name"], tensor["shape"]
        values = _nested(tensor["data"], shape)
        if inputs[name].shape[:1] == (-1,):
            rows[name] = values
        elif inputs[name].default is None:
            rows[name] = [values]
        else:
            parameters[name] = values
    columns = zip(*rows.values(), strict=True)
    return [dict(zip(rows, values, strict=True)) for values in columns], parameters


def _nested(data: list[Any], shape: Sequence[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        data = [data[start : start + size] for start in range(0, len(data), size)] if size else []
    return data


def _output(spec: TensorSpec, predictions: list[Any], outputs: int) -> dict[str, Any]:
    values = predictions if outputs == 1 else [prediction[spec.name] for prediction in predictions]
    shape = [len(values)]
    for _ in spec.shape[1:]:
        shape.append(len(values[0]) if values else 0)
        values = list(chain.from_iterable(values))
    if spec.datatype.startswith(("INT", "UINT")):
        # All numbers come as floats.
        values = [int(value) for value in values]
    return {"name": spec.name, "datatype": spec.datatype, "shape": shape, "data": values}
