# SPDX-License-Identifier: Apache-2.0
"""A V2 inference request: from a body's bytes to arrays that fit the model's signature, or to one clear refusal."""

from collections.abc import Container
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from predictors.errors import InvalidRequestError, quoted_names
from predictors.signature import Signature, Tensors
from predictors.v2.tensor import TensorReader, quoted

_NOTHING: Final = memoryview(b"")


class InferRequest(NamedTuple):
    """A request that fits the signature.

    Attributes:
        id: The client's request id, to be echoed; None when it sent none.
        inputs: Every input of the signature, in its datatype and shape; defaults filled in.
        rows: How many rows they have; 1 where no input is made of rows.
        outputs: The names of the outputs asked for, in the client's order; None means all of them.
        binary: The names of the outputs to be given as raw bytes after the JSON.
        timeout: Seconds that the client gives the answer; None when it does not say.
    """

    id: str | None
    inputs: Tensors
    rows: int
    outputs: tuple[str, ...] | None = None
    binary: frozenset[str] = frozenset()
    timeout: float | None = None


class RequestReader:
    """Reads the requests of one model; what the signature decides is decided once, here."""

    def __init__(self, signature: Signature) -> None:
        self._tensors = {spec.name: TensorReader(spec) for spec in signature.inputs}
        self._rows_of = [spec.name for spec in signature.inputs if spec.shape and spec.shape[0] == -1]
        # The one input of a model that has just one, made of rows.
        self._only = next(iter(self._tensors.values())) if len(self._tensors) == len(self._rows_of) == 1 else None
        self._output_names = frozenset(spec.name for spec in signature.outputs)

    def read(self, body: bytes | memoryview, json_length: int | None = None) -> InferRequest:
        """Return the request in a body.

        Args:
            body: A JSON object, followed by the raw bytes of binary inputs when ``json_length`` is given.
            json_length: The length of the JSON part in bytes (the header ``Inference-Header-Content-Length``).

        Raises:
            InvalidRequestError: The body is not JSON, not a V2 request, or does not fit the signature.
        """
        if json_length is None:
            document = parse_json(body)
            return self._read_usual(document) or self.read_document(document)
        if json_length > len(body):
            raise InvalidRequestError(f"the JSON part is said to have {json_length} bytes, the body has {len(body)}")
        view = memoryview(body)
        return self.read_document(parse_json(view[:json_length]), view[json_length:])

    def _read_usual(self, document: Any) -> InferRequest | None:
        """Return the request where it is of the kind that clients mostly send: one row for a single input, no more.

        Everything else, and everything that is wrong, is None here: ``read_document`` reads or refuses it.
        """
        if self._only is not None and type(document) is dict and len(document) == 1:
            inputs = document.get("inputs")
            if type(inputs) is list and len(inputs) == 1 and type(inputs[0]) is dict:
                array = self._only.read_one_row(inputs[0])
                if array is not None:
                    return InferRequest(None, {self._only.name: array}, 1)
        return None

    def read_document(self, document: object, raw: memoryview = _NOTHING) -> InferRequest:
        """Return the request in a parsed JSON document and the raw bytes behind it; raises as ``read`` does."""
        if type(document) is not dict:
            raise InvalidRequestError('the body must be a JSON object with "inputs"')
        request_id = document.get("id")
        if request_id is not None and type(request_id) is not str:
            raise InvalidRequestError('"id" must be a string')
        inputs = self._inputs(document.get("inputs"), raw)
        asked = document.get("outputs")
        if document.get("parameters") is None:
            if asked is None:
                return InferRequest(request_id, inputs, self.rows(inputs))
            return InferRequest(request_id, inputs, self.rows(inputs), *self.outputs(asked, all_binary=False))
        all_binary = _flag(document, "binary_data_output", "the request")
        timeout = timeout_of(document["parameters"].get("timeout"))
        return InferRequest(request_id, inputs, self.rows(inputs), *self.outputs(asked, all_binary=all_binary), timeout)

    def rows(self, inputs: Tensors) -> int:
        """Return how many rows a valid request's tensors have; 1 where no tensor is made of rows."""
        return inputs[self._rows_of[0]].shape[0] if self._rows_of else 1

    def complete(self, arrays: dict[str, npt.NDArray[np.generic]]) -> Tensors:
        """Return the arrays with the defaults of left-out inputs filled in, once the rows of all are found equal.

        Raises:
            InvalidRequestError: An input is missing, or two differ in their number of rows.
        """
        if len(arrays) < len(self._tensors):
            for name, reader in self._tensors.items():
                if name not in arrays:
                    arrays[name] = reader.default()
        if len(self._rows_of) > 1:
            rows = {name: arrays[name].shape[0] for name in self._rows_of}
            if len(set(rows.values())) > 1:
                told = ", ".join(f'"{name}" has {count}' for name, count in rows.items())
                raise InvalidRequestError(f"all inputs must have the same number of rows: {told}")
        return arrays

    def tensor(self, name: object, given: Container[str]) -> TensorReader:
        """Return the reader of an input; InvalidRequestError when the model has none of that name, or it is given."""
        reader = self._tensors.get(name) if type(name) is str else None
        if reader is None:
            raise InvalidRequestError(f"unknown input {quoted(name)}; the model takes {quoted_names(self._tensors)}")
        if reader.name in given:
            raise InvalidRequestError(f"input {quoted(reader.name)} is given twice")
        return reader

    def outputs(self, outputs: object, *, all_binary: bool) -> tuple[tuple[str, ...] | None, frozenset[str]]:
        """Return the names of the requested outputs (None: all) and of those wanted as raw bytes."""
        if outputs is None:
            return None, self._output_names if all_binary else frozenset()
        if type(outputs) is not list or not all(type(output) is dict for output in outputs):
            raise InvalidRequestError('"outputs" must be a list of objects with a name')
        names = tuple(output.get("name") for output in outputs)
        for place, name in enumerate(names):
            if type(name) is not str or name not in self._output_names:
                raise InvalidRequestError(
                    f"unknown output {quoted(name)}; the model gives {quoted_names(sorted(self._output_names))}"
                )
            if name in names[:place]:
                raise InvalidRequestError(f"output {quoted(name)} is asked for twice")
        binary = frozenset(
            output["name"] for output in outputs if _flag(output, "binary_data", output["name"], default=all_binary)
        )
        return names or None, binary if names else self._output_names if all_binary else frozenset()

    def _inputs(self, inputs: object, raw: memoryview) -> Tensors:
        if type(inputs) is not list or not inputs:
            raise InvalidRequestError('"inputs" must be a list with one object for each input tensor')
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for tensor in inputs:
            if type(tensor) is not dict:
                raise InvalidRequestError('each of "inputs" must be an object with name, shape, datatype and data')
            reader = self.tensor(tensor.get("name"), arrays)
            name = reader.name
            datatype, shape = tensor.get("datatype"), tensor.get("shape")
            size = None if tensor.get("parameters") is None else _binary_size(tensor, raw)
            if size is None:
                arrays[name] = reader.read(datatype, shape, tensor.get("data"))
            else:
                arrays[name] = reader.read_raw(datatype, shape, raw[:size])
                raw = raw[size:]
        if len(raw):
            raise InvalidRequestError(f"bytes in the body beyond those that its binary inputs take: {len(raw)}")
        return self.complete(arrays)


def timeout_of(microseconds: object) -> float | None:
    """Return the request parameter ``timeout`` in seconds; InvalidRequestError when it is no number of microseconds.

    Its meaning is that of Triton's scheduling policy extension: None or 0 asks for no limit of the client's own.
    """
    if microseconds is None or (type(microseconds) is int and microseconds == 0):
        return None
    if type(microseconds) is not int or microseconds < 0:
        raise InvalidRequestError('the parameter "timeout" of the request must be a whole number of microseconds')
    return microseconds / 1_000_000


def parse_json(body: bytes | memoryview) -> object:
    """Return the document in a JSON body; InvalidRequestError when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise InvalidRequestError(f"the body is not valid JSON: {err.msg} at byte {err.pos}") from err


def _flag(holder: dict[str, Any], name: str, where: str, *, default: bool = False) -> bool:
    """Return a boolean of an object's "parameters"; InvalidRequestError when it is something else."""
    parameters = holder.get("parameters")
    if parameters is None:
        return default
    if type(parameters) is not dict:
        raise InvalidRequestError(f'"parameters" of {where} must be an object')
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise InvalidRequestError(f'the parameter "{name}" of {where} must be true or false')
    return value


def _binary_size(tensor: dict[str, Any], raw: memoryview) -> int | None:
    """Return how many raw bytes an input takes of those left; None when its data is in the JSON."""
    parameters = tensor["parameters"]
    name = quoted(tensor.get("name"))
    if type(parameters) is not dict:
        raise InvalidRequestError(f'"parameters" of input {name} must be an object')
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or not 0 <= size <= len(raw):
        raise InvalidRequestError(
            f"input {name} has binary_data_size {quoted(size)}, the body has {len(raw)} bytes left after its JSON part"
        )
    if "data" in tensor:
        raise InvalidRequestError(f'input {name} has both "data" and binary_data_size')
    return size
