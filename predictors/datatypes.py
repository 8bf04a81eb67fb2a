# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol's tensor datatypes and the numpy dtypes that hold them here."""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]

#: BYTES tensors are held as object arrays of ``str`` (``None`` where a value is missing).
DTYPES: Final[dict[Datatype, np.dtype[np.generic]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}

_BY_DTYPE: Final[dict[np.dtype[np.generic], Datatype]] = {
    dtype: name for name, dtype in DTYPES.items() if name != "BYTES"
}


def datatype_of(dtype: npt.DTypeLike) -> Datatype:
    """Return the V2 datatype of a numpy dtype; strings and objects are BYTES.

    Raises:
        ValueError: The dtype has no V2 datatype (complex, datetime, structured).
    """
    resolved = np.dtype(dtype)
    if resolved.kind in "OUST":
        return "BYTES"
    try:
        return _BY_DTYPE[resolved]
    except KeyError:
        raise ValueError(f"dtype {resolved} has no V2 datatype; those are {', '.join(get_args(Datatype))}") from None
