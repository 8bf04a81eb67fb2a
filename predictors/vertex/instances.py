# SPDX-License-Identifier: Apache-2.0
"""Vertex AI's requests: from instances and parameters to the arrays that a V2 request would bring, or one refusal."""

from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES
from predictors.errors import InvalidRequestError, quoted_names
from predictors.signature import Signature, TensorSpec
from predictors.v2.request import InferRequest, RequestReader, parse_json
from predictors.v2.tensor import TensorReader, quoted

_KNOWN: Final = frozenset({"instances", "parameters"})
#: Up to this magnitude every whole number is a float of its own.
_EXACT: Final = 2**53


class InstanceReader:
    """Reads the requests of one model.

    An instance is one row: an object with a value for each input, or the bare value where the model needs one input
    only. Inputs that are left out of V2 requests may be given as parameters, once for all instances.
    """

    def __init__(self, signature: Signature, reader: RequestReader) -> None:
        """Prepare for a model.

        Args:
            signature: Its tensors.
            reader: Its V2 reader, which fills in defaults.
        """
        self._reader = reader
        self._fields = {spec.name: _Field(spec) for spec in signature.inputs}
        self._needed = [name for name, field in self._fields.items() if not field.is_optional]
        self._options = [name for name, field in self._fields.items() if field.is_optional]
        self._is_one_instance = not all(self._fields[name].has_rows for name in self._needed)

    def read(self, body: bytes) -> InferRequest:
        """Return the request in a body, as the V2 reader would.

        Raises:
            InvalidRequestError: It is not JSON, no such request, or does not fit the signature; the instance is named
                by its place, from 0 on, and the input by its name.
        """
        document = parse_json(body)
        if type(document) is not dict or "instances" not in document:
            raise InvalidRequestError('the body must be a JSON object with "instances"')
        unknown = sorted(document.keys() - _KNOWN)
        if unknown:
            raise InvalidRequestError(f'unknown field {quoted(unknown[0])}; a request has "instances" and "parameters"')
        instances = document["instances"]
        if type(instances) is not list:
            raise InvalidRequestError('"instances" must be a list')
        if self._is_one_instance and len(instances) != 1:
            raise InvalidRequestError(f"the model takes one instance in a request; this one has {len(instances)}")
        arrays = self._arrays(instances)
        self._add_parameters(arrays, document.get("parameters"), len(instances))
        return InferRequest(None, self._reader.complete(arrays), len(instances))

    def _arrays(self, instances: list[Any]) -> dict[str, npt.NDArray[np.generic]]:
        rows = [self._row(place, instance) for place, instance in enumerate(instances)]
        names = [*self._needed, *(name for name in self._options if any(name in row for row in rows))]
        for name in names:
            for place, row in enumerate(rows):
                if name not in row:
                    raise InvalidRequestError(f'instance {place}: input "{name}" is missing')
        return {name: self._fields[name].read([row[name] for row in rows]) for name in names}

    def _row(self, place: int, instance: Any) -> dict[str, Any]:
        if type(instance) is not dict:
            if len(self._needed) == 1:
                return {self._needed[0]: instance}
            raise InvalidRequestError(f"instance {place} must be an object with {quoted_names(self._needed)}")
        for name in instance:
            field = self._fields.get(name)
            if field is None:
                raise InvalidRequestError(
                    f"instance {place}: unknown input {quoted(name)}; the model takes {quoted_names(self._fields)}"
                )
            if field.is_optional and not field.has_rows:
                raise InvalidRequestError(
                    f'instance {place}: "{name}" is one for all instances; give it in "parameters"'
                )
        return instance

    def _add_parameters(self, arrays: dict[str, npt.NDArray[np.generic]], parameters: object, rows: int) -> None:
        if parameters is None:
            return
        if type(parameters) is not dict:
            raise InvalidRequestError('"parameters" must be an object')
        for name, value in parameters.items():
            if name not in self._options:
                there_are = (
                    f"the model takes {quoted_names(self._options)}" if self._options else "the model takes none"
                )
                raise InvalidRequestError(f"unknown parameter {quoted(name)}; {there_are}")
            if name in arrays:
                raise InvalidRequestError(f'"{name}" is given in the instances and in "parameters"')
            arrays[name] = self._fields[name].read_parameter(value, rows)


class _Field:
    """One input as instances and parameters have it."""

    def __init__(self, spec: TensorSpec) -> None:
        self.is_optional = spec.default is not None
        self.has_rows = spec.shape[:1] == (-1,)
        self._name = spec.name
        self._shape = spec.shape[1:] if self.has_rows else spec.shape
        self._reader = TensorReader(spec)
        self._is_integer = DTYPES[spec.datatype].kind in "iu"

    def read(self, values: Sequence[Any]) -> npt.NDArray[np.generic]:
        """Return the tensor of one value for each instance."""
        try:
            return self._tensor(values)
        except InvalidRequestError:
            for place, value in enumerate(values):
                try:
                    self._tensor([value])
                except InvalidRequestError as err:
                    raise InvalidRequestError(f"instance {place}: {err}") from err
            raise

    def read_parameter(self, value: Any, rows: int) -> npt.NDArray[np.generic]:
        """Return the tensor of a value that is the same for all instances."""
        if self._shape == (1,) and type(value) is not list:
            value = [value]
        try:
            return self._tensor([value] * rows if self.has_rows else [value])
        except InvalidRequestError as err:
            raise InvalidRequestError(f'parameter "{self._name}": {err}') from err

    def _tensor(self, values: Sequence[Any]) -> npt.NDArray[np.generic]:
        flat = values if not self._shape else [item for value in values for item in self._flat(value)]
        if self._is_integer:
            flat = [_whole(item) for item in flat]
        return self._reader.from_values(flat, (len(values), *self._shape) if self.has_rows else self._shape)

    def _flat(self, value: Any) -> list[Any]:
        parts = [value]
        for size in self._shape:
            if not all(type(part) is list and len(part) == size for part in parts):
                size_told = " x ".join(str(one) for one in self._shape)
                count = prod(self._shape)
                raise InvalidRequestError(
                    f'input "{self._name}" takes a list of {size_told} value{"s" if count != 1 else ""}, '
                    f"not {quoted(value)}"
                )
            parts = [item for part in parts for item in part]
        return parts


def _whole(value: Any) -> Any:
    """Return a whole number as an integer: on their way through Vertex AI all numbers become floats."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) <= _EXACT else value
