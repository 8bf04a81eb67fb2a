# SPDX-License-Identifier: Apache-2.0
"""Golden requests: V2 requests made when a model is packed, with the answers it must give wherever it is loaded."""

from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictors.errors import ArtifactError, InvalidRequestError
from predictors.served_model import ServedModel
from predictors.signature import Column, Tensors, TensorSpec
from predictors.v2.response import json_data

#: Below this absolute difference two numbers are equal, however small they are.
ABSOLUTE_TOLERANCE: Final = 1e-12
_BATCH: Final = 8
_UNSEEN: Final = "unseen \N{EM DASH} neue Kategorie"
_NON_ASCII: Final = "Gr\u00fc\u00dfe, \u4f60\u597d \U0001f44b"


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
    for about, tensors in _edges(rows, specs):
        request = request_document(tensors, specs)
        try:
            outputs = orjson.loads(model.answer(orjson.dumps(request)).body)["outputs"]
        except InvalidRequestError:
            outputs = None
        requests.append(GoldenRequest(about=about, request=request, outputs=outputs))
    return GoldenRequests(relative_tolerance=relative_tolerance, requests=requests)


def check_golden(model: ServedModel, path: Path) -> int:
    """Ask every golden request of the file and return how many there were.

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
    return len(golden.requests)


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


def _edges(rows: Tensors, specs: tuple[TensorSpec, ...]) -> Iterator[tuple[str, Tensors]]:
    """Yield what to ask: a batch, single rows, and one row for each kind of edge that the columns have."""
    yield "a batch of typical rows", {name: array[:_BATCH] for name, array in rows.items()}
    yield "the first row", {name: array[:1] for name, array in rows.items()}
    last = len(next(iter(rows.values()))) - 1
    yield "the last row", {name: array[last:] for name, array in rows.items()}
    for about, edge in (
        ("every number at its minimum", lambda column, _: column.minimum),
        ("every number at its maximum", lambda column, _: column.maximum),
        ("every number just above a float32", _above_float32),
        ("every number halfway between two float32", _between_float32),
        ("every value missing that may be", lambda column, kind: _missing(kind) if column.missing else None),
        ("an unseen category in every column of texts", lambda column, _: _UNSEEN if column.categories else None),
        ("empty texts", lambda _, kind: "" if kind == "O" else None),
        ("texts outside ASCII", lambda _, kind: _NON_ASCII if kind == "O" else None),
    ):
        changed = _with_edge(rows, specs, edge)
        if changed is not None:
            yield about, changed


def _with_edge(rows: Tensors, specs: tuple[TensorSpec, ...], edge: Any) -> Tensors | None:
    """Return the first row with each column's edge value put in; None where no column has such an edge."""
    found = False
    changed: dict[str, npt.NDArray[np.generic]] = {}
    for spec in specs:
        array = rows[spec.name][:1].copy()
        for place, column in enumerate(spec.columns):
            value = edge(column, array.dtype.kind)
            if value is None:
                continue
            found = True
            row: Any = array[0:1] if array.ndim == 1 else array[0:1, place]
            row[0] = None if value is _NO_TEXT else value
        changed[spec.name] = array
    return changed if found else None


_NO_TEXT: Final = object()


def _missing(kind: str) -> object:
    return _NO_TEXT if kind == "O" else np.nan


def _above_float32(column: Column, kind: str) -> float | None:
    single = _single(column, kind)
    return None if single is None else float(np.nextafter(np.float64(single), np.inf))


def _between_float32(column: Column, kind: str) -> float | None:
    single = _single(column, kind)
    return None if single is None else (float(single) + float(np.nextafter(single, np.float32(np.inf)))) / 2


def _single(column: Column, kind: str) -> np.float32 | None:
    """Return a float32 in the middle of a float column's range; None for other columns."""
    if kind != "f" or column.minimum is None or column.maximum is None:
        return None
    middle = np.float32(column.minimum / 2 + column.maximum / 2)
    return middle if np.isfinite(middle) else None
