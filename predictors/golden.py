# SPDX-License-Identifier: Apache-2.0
"""Golden requests: V2 requests made when a model is packed, with the answers it must give wherever it is loaded."""

from math import isclose
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictors.errors import ArtifactError, InvalidRequestError
from predictors.golden_rows import golden_rows
from predictors.served_model import ServedModel
from predictors.signature import Tensors, TensorSpec
from predictors.v2.response import json_data

#: Below this absolute difference two numbers are equal, however small they are.
ABSOLUTE_TOLERANCE: Final = 1e-12


class GoldenRequest(BaseModel):
    """One request and what must come of it.

    Attributes:
        about: What it tries, in a few words.
        request: The V2 request.
        outputs: The outputs of the answer; None where the model must refuse the request's values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    request: dict[str, Any]
    outputs: list[dict[str, Any]] | None


class GoldenRequests(BaseModel):
    """What ``golden.json`` holds.

    Attributes:
        relative_tolerance: Numbers may differ by that much of the larger one; texts, labels and shapes not at all.
        requests: The requests; never none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    relative_tolerance: float = Field(ge=0, le=1e-3)
    requests: list[GoldenRequest] = Field(min_length=1)


def make_golden(model: ServedModel, rows: Tensors, relative_tolerance: float) -> GoldenRequests:
    """Return golden requests from sample rows and their edges, answered by the model as it is now.

    Args:
        model: The model to ask.
        rows: The sample as public input tensors; optional ones may be absent.
        relative_tolerance: How far numbers may differ when the requests are asked again elsewhere.
    """
    specs = tuple(spec for spec in model.signature.inputs if spec.name in rows)
    requests = []
    for about, tensors in golden_rows(rows, specs):
        request = request_document(tensors, specs)
        try:
            outputs = orjson.loads(model.answer(orjson.dumps(request)).body)["outputs"]
        except InvalidRequestError:
            outputs = None
        requests.append(GoldenRequest(about=about, request=request, outputs=outputs))
    return GoldenRequests(relative_tolerance=relative_tolerance, requests=requests)


def check_golden(model: ServedModel, path: Path) -> GoldenRequests:
    """Ask every golden request of the file and return them.

    Raises:
        ArtifactError: The file is not one of golden requests, or an answer is another one.
    """
    try:
        golden = GoldenRequests.model_validate_json(path.read_bytes())
    except ValidationError as err:
        raise ArtifactError(
            f"{path}: not a file of golden requests: {err.errors(include_url=False)[0]['msg']}"
        ) from err
    difference = golden_difference(model, golden)
    if difference is not None:
        raise ArtifactError(f"{path}: {difference}")
    return golden


def golden_inputs(model: ServedModel, golden: GoldenRequests) -> list[Tensors]:
    """Return the input tensors of the golden requests that the model answers."""
    answered = (entry.request for entry in golden.requests if entry.outputs is not None)
    return [model.reader.read_document(request).inputs for request in answered]


def golden_difference(model: ServedModel, golden: GoldenRequests) -> str | None:
    """Return how the first golden request that fails here differs from its packed answer; None when all hold."""
    for entry in golden.requests:
        try:
            outputs = orjson.loads(model.answer(orjson.dumps(entry.request)).body)["outputs"]
        except InvalidRequestError as err:
            if entry.outputs is not None:
                return f"the golden request '{entry.about}' is refused here: {err}"
            continue
        difference = _difference(entry.outputs, outputs, golden.relative_tolerance)
        if difference is not None:
            return f"the golden request '{entry.about}' is answered otherwise here: {difference}"
    return None


def request_document(tensors: Tensors, specs: tuple[TensorSpec, ...]) -> dict[str, Any]:
    """Return the V2 request, ready for JSON, that carries these tensors; a missing value is a null."""
    return {
        "inputs": [
            {
                "name": spec.name,
                "datatype": spec.datatype,
                "shape": list(tensors[spec.name].shape),
                # Through JSON and back: NaN has become null, and numpy's numbers Python's.
                "data": orjson.loads(orjson.dumps(json_data(tensors[spec.name]), option=orjson.OPT_SERIALIZE_NUMPY)),
            }
            for spec in specs
        ]
    }


def _difference(expected: list[dict[str, Any]] | None, found: list[dict[str, Any]], tolerance: float) -> str | None:
    if expected is None:
        return "it should be refused"
    for want, got in zip(expected, found, strict=False):
        name = want["name"]
        if any(want[key] != got[key] for key in ("name", "datatype", "shape")) or len(want["data"]) != len(got["data"]):
            return f'output "{name}" has another datatype or shape'
        for place, (one, other) in enumerate(zip(want["data"], got["data"], strict=True)):
            if not _equal(one, other, tolerance):
                return f'output "{name}" is {other!r} at place {place}, not {one!r}'
    return None if len(expected) == len(found) else "it has another number of outputs"


def _equal(one: object, other: object, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=tolerance, abs_tol=ABSOLUTE_TOLERANCE)
    return one == other
