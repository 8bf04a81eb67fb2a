# SPDX-License-Identifier: Apache-2.0
"""Files of requests: V2 requests as JSON, one a line, or the golden requests of a model artifact."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from loadtests.errors import LoadTestError
from loadtests.payloads.tensors import (
    DATATYPES,
    NUMBERS,
    TOLERANCE,
    ExpectedTensor,
    InferenceRequest,
    Tensor,
    Value,
    flat,
)

_LONGEST_ECHO: Final = 40


class _FaultError(Exception):
    """What is wrong with one request."""


def read_requests(path: Path) -> list[InferenceRequest]:
    """Return the requests of a file, at least one.

    Each line holds a V2 request, ``{"inputs": [...]}``, or ``{"request": {...}, "outputs": [...], "tolerance": 1e-6}``
    where the answer is known; empty lines are skipped. An artifact's ``golden.json`` is read too, without the requests
    that the model must refuse.

    Raises:
        LoadTestError: The file cannot be read, or a request cannot be sent as it stands; the text names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise LoadTestError(f"{path} cannot be read: {err.strerror or err}") from err
    requests: list[InferenceRequest] = []
    for place, line in _lines(content):
        try:
            requests += _requests(_json(line))
        except _FaultError as err:
            raise LoadTestError(f"{path}{place}: {err}") from err
    if not requests:
        raise LoadTestError(f"{path} holds no request to send; write one V2 request a line")
    return requests


def _lines(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what holds one JSON document each: all of the content where that is one, else its lines."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield f", line {number}", line
    else:
        yield "" if b"\n" in content.strip() else ", line 1", content


def _json(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as err:
        raise _FaultError(f"not JSON ({err}); write each request on a line of its own") from err


def _requests(document: object) -> Iterator[InferenceRequest]:
    """Yield the one request of a line, or all of an artifact's golden requests that have an answer."""
    match document:
        case {"requests": list(entries), "relative_tolerance": tolerance}:
            for number, entry in enumerate(entries, 1):
                try:
                    yield from _golden_request(entry, tolerance)
                except _FaultError as err:
                    raise _FaultError(f"request {number}: {err}") from err
        case {"request": request, **others}:
            _refuse_others(others, ("about", "outputs", "tolerance"), place="beside the request")
            expected = _expected(others["outputs"]) if "outputs" in others else None
            yield _request(request, expected, others.get("tolerance", TOLERANCE))
        case _:
            yield _request(document, None, TOLERANCE)


def _golden_request(entry: object, tolerance: object) -> Iterator[InferenceRequest]:
    match entry:
        case {"request": _, "outputs": None}:
            return  # the model must refuse it
        case {"request": request, "outputs": outputs}:
            yield _request(request, _expected(outputs), tolerance)
        case _:
            raise _FaultError('a golden request needs "request" and "outputs"')


def _request(document: object, expected: tuple[ExpectedTensor, ...] | None, tolerance: object) -> InferenceRequest:
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list) or not document["inputs"]:
        raise _FaultError('a V2 request needs "inputs", a list of tensors')
    if "outputs" in document:
        raise _FaultError(
            '"outputs" beside "inputs" is not supported; a known answer is written {"request": {"inputs": [...]}, '
            '"outputs": [...]}'
        )
    _refuse_others(document, ("id", "inputs"), place="in a request")
    inputs = tuple(_tensor(tensor, "input") for tensor in document["inputs"])
    names = [tensor.name for tensor in inputs]
    if len(set(names)) < len(names):
        raise _FaultError("two inputs have the same name")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
        raise _FaultError("the tolerance must be a number from 0 to below 1")
    # An input that is one value for all rows, such as a limit, has a first dimension of 1.
    rows = max((tensor.shape[0] for tensor in inputs if tensor.shape), default=1)
    return InferenceRequest(inputs, rows, expected, float(tolerance))


def _expected(outputs: object) -> tuple[ExpectedTensor, ...]:
    if not isinstance(outputs, list) or not outputs:
        raise _FaultError('"outputs" must be a list of the tensors of the answer')
    expected = []
    for output in outputs:
        if isinstance(output, dict) and "data" not in output:
            name, datatype, shape = _described(output, "output")
            expected.append(ExpectedTensor(name, datatype, shape, None))
        else:
            tensor = _tensor(output, "output")
            expected.append(ExpectedTensor(tensor.name, tensor.datatype, tensor.shape, tensor.data))
    return tuple(expected)


def _tensor(document: object, side: str) -> Tensor:
    name, datatype, shape = _described(document, side)
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise _FaultError(f'the {side} {_shown(name)} needs "data", a list of its values')
    values = flat(data)
    if len(values) != prod(shape):
        raise _FaultError(
            f"the {side} {_shown(name)} has {len(values)} values; its shape {list(shape)} takes {prod(shape)}"
        )
    return Tensor(name, datatype, shape, _values(values, datatype, f"the {side} {_shown(name)}"))


def _described(document: object, side: str) -> tuple[str, str, tuple[int, ...]]:
    """Return name, datatype and shape."""
    if not isinstance(document, dict) or not isinstance(name := document.get("name"), str) or not name:
        raise _FaultError(f'each {side} needs a "name"')
    _refuse_others(document, ("name", "datatype", "shape", "data"), place=f"in the {side} {_shown(name)}")
    datatype, shape = document.get("datatype"), document.get("shape")
    if datatype not in DATATYPES:
        raise _FaultError(
            f"the {side} {_shown(name)} has the datatype {_shown(datatype)}; there are {', '.join(DATATYPES)}"
        )
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise _FaultError(f'the {side} {_shown(name)} needs a "shape", a list of whole numbers')
    return name, datatype, tuple(shape)


def _values(values: list[object], datatype: str, where: str) -> tuple[Value, ...]:
    """Return the values in Python's type for the datatype."""
    if datatype == "BYTES":
        return tuple(_of_type(value, (str, type(None)), datatype, where) for value in values)
    if datatype == "BOOL":
        return tuple(_of_type(value, (bool,), datatype, where) for value in values)
    if datatype.startswith("FP"):
        numbers = (_of_type(value, (int, float, type(None)), datatype, where) for value in values)
        return tuple(None if number is None else float(number) for number in numbers)
    limits = np.iinfo(NUMBERS[datatype])
    integers = tuple(_of_type(value, (int,), datatype, where) for value in values)
    for integer in integers:
        if not limits.min <= int(integer or 0) <= limits.max:
            raise _FaultError(f"{where} has {integer}, which {datatype} cannot hold")
    return integers


def _of_type(value: object, types: tuple[type, ...], datatype: str, where: str) -> Value:
    if type(value) not in types:  # a bool is no integer here
        raise _FaultError(f"{where} has {_shown(value)}, which is not {datatype}")
    return value  # type: ignore[return-value]  # one of the types of Value


def _refuse_others(document: Mapping[Any, object], known: tuple[str, ...], place: str) -> None:
    """Refuse what would not be sent."""
    for key in document:
        if key not in known:
            raise _FaultError(f"{_shown(key)} {place} is not supported; take it out")


def _shown(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}..."
