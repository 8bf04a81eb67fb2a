# SPDX-License-Identifier: Apache-2.0
"""The scorer of model.onnx, by ONNX Runtime on one thread."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES, Datatype
from predictors.errors import ArtifactError, InvalidRequestError, PredictorError
from predictors.scorers.onnx_one_row import one_row_run
from predictors.signature import Tensors, TensorSpec

#: ONNX Runtime's names of the tensor types that have a V2 datatype.
DATATYPES: dict[str, Datatype] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class OnnxScorer:
    """Runs a model.onnx whose inputs and outputs carry the names of the signature's tensors.

    An instance may be called by several threads at once. It holds no thread of its own: the server forks its workers
    and gives each a core.
    """

    name: ClassVar[str] = "onnx"
    inline: ClassVar[bool] = True

    def __init__(self, model: Path | bytes, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        """Load the model and decide how each tensor goes in and comes out.

        Args:
            model: The file model.onnx, or its bytes.
            inputs: The model's input tensors.
            outputs: Its output tensors; the file may give more, which are not computed.

        Raises:
            ArtifactError: The file cannot be read or loaded, or its tensors are not the signature's.
        """
        session = open_session(model)
        self._run = session.run
        self._run_options = _run_options()
        # Of bound memory, as for one row, it raises what it tells as a RuntimeError.
        self._errors: tuple[type[Exception], ...] = (*runtime_errors(), RuntimeError)
        given = {node.name: node for node in session.get_inputs()}
        if unknown := given.keys() - {spec.name for spec in inputs}:
            raise ArtifactError(f"model.onnx takes {_listed(unknown)}, which the signature does not have")
        self._feeds = [(spec.name, *_feeding(spec, given.get(spec.name))) for spec in inputs]
        self._as_is = [name for name, to_column, dtype in self._feeds if not to_column and dtype is None]
        made = {node.name: node for node in session.get_outputs()}
        self._outputs = [spec.name for spec in outputs]
        self._casts = {
            spec.name: DTYPES[spec.datatype] for spec in outputs if _is_cast(spec, made.get(spec.name), "gives")
        }
        for spec in outputs:
            _require_shape(spec, spec.shape, made[spec.name], "gives")
        self._first = inputs[0].name
        self._one_row = one_row_run(
            session,
            self._run_options,
            [
                (spec, (1, 1) if to_column else (1, *spec.shape[1:]), dtype or DTYPES[spec.datatype])
                for spec, (_, to_column, dtype) in zip(inputs, self._feeds, strict=True)
            ],
            [(spec, DTYPES[DATATYPES[made[spec.name].type]]) for spec in outputs],
        )

    def score(self, inputs: Tensors) -> Tensors:
        """Return the outputs, in the datatypes of the signature.

        Args:
            inputs: The signature's input tensors; BYTES as object arrays of ``str``.

        Raises:
            InvalidRequestError: The model does not know a category, and was fitted to refuse such.
            PredictorError: ONNX Runtime failed on these rows.
        """
        try:
            tensors = None
            if self._one_row is not None and inputs[self._first].shape[0] == 1:
                tensors = self._one_row.score(inputs)
            if tensors is None:
                tensors = self._run_any(inputs)
        except self._errors as err:
            if "Unknown Category" in str(err):
                raise InvalidRequestError("the request holds a category that the model was not fitted on") from err
            raise PredictorError(f"model.onnx failed on these rows: {_first_line(err)}") from err
        for name, dtype in self._casts.items():
            tensors[name] = tensors[name].astype(dtype)
        return tensors

    def _run_any(self, inputs: Tensors) -> dict[str, npt.NDArray[np.generic]]:
        if len(self._as_is) == len(self._feeds):
            feed = {name: inputs[name] for name in self._as_is}
        else:
            feed = {name: _fed(inputs[name], to_column, dtype) for name, to_column, dtype in self._feeds}
        return dict(zip(self._outputs, self._run(self._outputs, feed, self._run_options), strict=True))


def open_session(model: Path | bytes) -> Any:
    """Return an ONNX Runtime session that computes on the calling thread.

    The file is handed over as bytes, so that what runs is what was read, and no other file of it can be looked up.

    Raises:
        ArtifactError: The file cannot be read, or ONNX Runtime is not installed or refuses it.
    """
    try:
        # It would report what it runs to its makers; a model is its owner's affair.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime
    except ImportError as err:
        raise ArtifactError("model.onnx needs onnxruntime: install portside[serve] or portside[pipelines]") from err
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what fails is raised, so it need not be on stderr as well
    errors: tuple[type[Exception], ...] = (OSError, *runtime_errors())
    try:
        content = model if isinstance(model, bytes) else model.read_bytes()
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except errors as err:
        raise ArtifactError(f"model.onnx cannot be loaded: {_first_line(err)}") from err


def _run_options() -> Any:
    from onnxruntime import RunOptions

    return RunOptions()  # the defaults; made once, they need not be made for each call


def _feeding(spec: TensorSpec, node: Any) -> tuple[bool, np.dtype[np.generic] | None]:
    """Return whether the tensor must become a column, and the dtype it is cast to (None: it stays)."""
    cast = _is_cast(spec, node, "takes")
    to_column = len(spec.shape) == 1 and len(node.shape) == 2  # noqa: PLR2004
    if cast and (spec.datatype, DATATYPES[node.type]) != ("FP64", "FP32"):
        raise ArtifactError(f"model.onnx takes {spec.name!r} as {node.type}, the signature says {spec.datatype}")
    _require_shape(spec, (*spec.shape, 1) if to_column else spec.shape, node, "takes")
    return to_column, np.dtype(np.float32) if cast else None


def _is_cast(spec: TensorSpec, node: Any, verb: str) -> bool:
    if node is None:
        raise ArtifactError(f"model.onnx {verb} no {spec.name!r}, which the signature has")
    datatype = DATATYPES.get(node.type)
    if datatype is None or (datatype != spec.datatype and "BYTES" in (datatype, spec.datatype)):
        raise ArtifactError(f"model.onnx {verb} {spec.name!r} as {node.type}, the signature says {spec.datatype}")
    return datatype != spec.datatype


def _require_shape(spec: TensorSpec, shape: tuple[int, ...], node: Any, verb: str) -> None:
    told = node.shape or shape  # a file may leave a shape, or an axis of it, untold
    sizes = [(size, other) for size, other in zip(shape, told, strict=False) if isinstance(other, int) and size != -1]
    if len(told) != len(shape) or any(size != other for size, other in sizes):
        raise ArtifactError(
            f"model.onnx {verb} {spec.name!r} in shape {list(told)}, the signature says {list(spec.shape)}"
        )


def _fed(
    array: npt.NDArray[np.generic], to_column: bool, dtype: np.dtype[np.generic] | None
) -> npt.NDArray[np.generic]:
    if dtype is not None:
        array = array.astype(dtype)
    return array.reshape(-1, 1) if to_column else array


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return all that ONNX Runtime raises: its errors have no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))


def _first_line(err: Exception) -> str:
    # "[ONNXRuntimeError] : 1 : FAIL : what it says"
    return str(err).strip().split("\n", maxsplit=1)[0].rsplit(" : ", maxsplit=1)[-1]


def _listed(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
