# SPDX-License-Identifier: Apache-2.0
"""One input tensor of a request: its declared datatype and shape against the signature, then its data."""

from collections.abc import Sequence
from itertools import chain
from math import isfinite, prod
from typing import Any, Final, NoReturn, cast

import numpy as np
import numpy.typing as npt
import orjson

from predictors.datatypes import DTYPES, Datatype
from predictors.errors import InvalidRequestError
from predictors.signature import TensorSpec
from predictors.v2.binary import decode_raw

#: The largest magnitude up to which every integer is exact in a float of that many bytes.
_EXACT_INTEGERS: Final = {2: 2**11, 4: 2**24, 8: 2**53}
_JSON_TYPE: Final = {"b": frozenset({bool}), "i": frozenset({int}), "u": frozenset({int}), "O": frozenset({str})}
_NUMBER: Final = frozenset({int, float})
_FLOATS: Final[set[type]] = {float}
_TEXTS: Final[set[type]] = {str}
_NO_TYPES: Final[set[type]] = set()
_PLAIN_TYPES: Final[dict[Datatype, set[type]]] = {"FP64": _FLOATS, "BYTES": _TEXTS}
_INTS: Final = {int}
_KEYS: Final = ("name", "datatype", "shape", "data")
_DOUBLE: Final = np.dtype(np.float64)
_QUOTED_LENGTH: Final = 40


class TensorReader:
    """Reads one input tensor: its declared datatype and shape against the signature, then its data."""

    def __init__(self, spec: TensorSpec) -> None:
        self.name = spec.name
        self._spec = spec
        self._shape = spec.shape
        self._rank = len(spec.shape)
        self._row_size = prod(spec.shape[1:])
        self._dtype = DTYPES[spec.datatype]
        self._datatype = spec.datatype
        self._one_row = [1, *spec.shape[1:]]
        # The types of values that need no further look; none for the other datatypes, whose ranges must be kept.
        self._plain_types = _PLAIN_TYPES.get(spec.datatype, _NO_TYPES)
        # An integer datatype may stand for a float one: its values are checked to be exact.
        self._is_float = self._dtype.kind == "f"
        self._datatypes: set[object] = {spec.datatype}
        if self._is_float:
            self._datatypes.update(name for name, dtype in DTYPES.items() if dtype.kind in "iu")
        self._may_miss = any(column.missing for column in spec.columns)
        self._never_missing = np.array([not column.missing for column in spec.columns])

    def default(self) -> npt.NDArray[np.generic]:
        """Return the data of an input that was left out; InvalidRequestError when it is required."""
        if self._spec.default is None:
            raise InvalidRequestError(f'input "{self.name}" is missing')
        return np.array(self._spec.default, dtype=self._dtype)

    def read_one_row(self, tensor: dict[str, Any]) -> npt.NDArray[np.generic] | None:
        """Return the tensor of one row whose data is flat and plainly right; None for any other.

        Args:
            tensor: The input as the request's JSON has it.
        """
        if len(tensor) != len(_KEYS) or tensor.get("name") != self.name or tensor.get("datatype") != self._datatype:
            return None
        shape, data = tensor.get("shape"), tensor.get("data")
        # True and 1.0 equal 1, so the types are looked at too.
        if type(shape) is not list or shape != self._one_row or set(map(type, shape)) != _INTS:
            return None
        if type(data) is not list or len(data) != self._row_size or set(map(type, data)) != self._plain_types:
            return None
        if self._plain_types is _TEXTS:
            return np.array(data, dtype=object).reshape(self._one_row)
        # A sum is finite only where every value is.
        return np.array(data, dtype=_DOUBLE).reshape(self._one_row) if isfinite(sum(data)) else None

    def read(self, datatype: object, shape: object, data: object) -> npt.NDArray[np.generic]:
        """Return the tensor of a JSON request, from its datatype, shape and (nested or flat) data."""
        self.check_datatype(datatype)
        dimensions = self.check_shape(shape)
        if type(data) is not list:
            raise InvalidRequestError(f'input "{self.name}" needs "data", a list')
        return self.from_values(self._flat(data, dimensions), dimensions)

    def read_raw(self, datatype: object, shape: object, data: bytes | memoryview) -> npt.NDArray[np.generic]:
        """Return the tensor of a request that carries its data as raw bytes."""
        declared = self.check_datatype(datatype)
        array = decode_raw(self.name, declared, self.check_shape(shape), data)
        if array.dtype != self._dtype:
            self._check_integers_exact(array.ravel().tolist())
            array = array.astype(self._dtype)
        self.check_values(array)
        return array

    def check_datatype(self, datatype: object) -> Datatype:
        """Return the declared datatype if it can carry this tensor's values exactly; InvalidRequestError else."""
        if type(datatype) is not str or datatype not in self._datatypes:
            raise InvalidRequestError(
                f'input "{self.name}" has datatype {self._spec.datatype}, the request says {quoted(datatype)}'
            )
        return cast("Datatype", datatype)

    def check_shape(self, shape: object) -> tuple[int, ...]:
        """Return the declared shape when it fits the signature; InvalidRequestError else. Nothing is allocated."""
        if type(shape) is list and len(shape) == self._rank:
            for size, asked in zip(shape, self._shape, strict=True):
                if type(size) is not int or (size < 0 if asked == -1 else size != asked):
                    break
            else:
                return tuple(shape)
        raise self._wrong_shape(shape)

    def _wrong_shape(self, shape: object) -> InvalidRequestError:
        if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
            return InvalidRequestError(f'input "{self.name}" needs "shape", a list of integers of at least 0')
        wanted = list(self._shape)
        return InvalidRequestError(f'input "{self.name}" has shape {wanted}, the request says {quoted(shape)}')

    def from_values(self, values: Sequence[Any], shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
        """Return the tensor of flat Python values whose types are still to be checked.

        Raises:
            InvalidRequestError: Their number, type or range does not fit.
        """
        if len(values) != prod(shape):
            raise InvalidRequestError(
                f'input "{self.name}" has {len(values)} values, its shape {list(shape)} needs {prod(shape)}'
            )
        types = set(map(type, values))
        if types == _FLOATS and self._dtype == _DOUBLE and isfinite(sum(values)):
            # The common case, and nothing left to check: a sum is finite only where every value is.
            return np.array(values, dtype=_DOUBLE).reshape(shape)
        if self._may_miss:
            types.discard(type(None))
        if not types <= (_NUMBER if self._is_float else _JSON_TYPE[self._dtype.kind]):
            self._refuse_types(values)
        if self._is_float and int in types:
            self._check_integers_exact(values)
        try:
            with np.errstate(over="ignore"):
                array = np.array(values, dtype=self._dtype).reshape(shape)
        except OverflowError as err:
            raise InvalidRequestError(
                f'input "{self.name}" has a value outside the range of {self._spec.datatype}'
            ) from err
        self.check_values(array)
        return array

    def check_values(self, array: npt.NDArray[np.generic]) -> None:
        """Raise InvalidRequestError for what the signature does not have: infinite or missing values."""
        if self._is_float:
            if np.isinf(array).any():
                raise InvalidRequestError(f'input "{self.name}" has a value outside the range of {self._spec.datatype}')
            self._check_missing(np.isnan(array))
        elif self._may_miss and self._dtype.kind == "O":
            self._check_missing(np.array([value is None for value in array.flat]).reshape(array.shape))

    def _check_missing(self, missing: npt.NDArray[np.bool_]) -> None:
        if missing.any() and not (self._may_miss and (missing.ndim == 1 or not (missing & self._never_missing).any())):
            raise InvalidRequestError(f'input "{self.name}" may not have missing values (null or NaN)')

    def _check_integers_exact(self, values: Sequence[Any]) -> None:
        limit = _EXACT_INTEGERS[self._dtype.itemsize]
        for value in values:
            if type(value) is int and not -limit <= value <= limit:
                raise InvalidRequestError(
                    f'input "{self.name}" has the integer {value}, which {self._spec.datatype} cannot hold exactly'
                )

    def _refuse_types(self, values: Sequence[Any]) -> NoReturn:
        wanted = {"f": "numbers", "i": "integers", "u": "integers", "b": "true or false", "O": "strings"}
        accepted = _NUMBER if self._is_float else _JSON_TYPE[self._dtype.kind]
        wrong = next(value for value in values if type(value) not in accepted)
        kind = wanted[self._dtype.kind]
        raise InvalidRequestError(
            f'input "{self.name}" ({self._spec.datatype}) takes {kind}; the data has {quoted(wrong)}'
        )

    def _flat(self, data: list[Any], shape: tuple[int, ...]) -> list[Any]:
        """Return the data as one flat list; nested data must be nested exactly as its shape says."""
        if not data or type(data[0]) is not list:
            return data
        if len(data) != shape[0]:
            self._refuse_nesting(shape)
        for size in shape[1:]:
            if not all(type(part) is list and len(part) == size for part in data):
                self._refuse_nesting(shape)
            data = list(chain.from_iterable(data))
        return data

    def _refuse_nesting(self, shape: tuple[int, ...]) -> NoReturn:
        raise InvalidRequestError(f'input "{self.name}" has data that is not nested as its shape {list(shape)} says')


def quoted(value: object) -> str:
    """Return a client's value as an error may show it: as JSON, and never long."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):
        text = f'"{type(value).__name__}"'
    return text if len(text) <= _QUOTED_LENGTH else f"{text[:_QUOTED_LENGTH]}..."
