# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file of any origin takes and gives, read from its own description by ONNX Runtime."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES
from predictors.errors import ArtifactError, PackingError
from predictors.scorers.onnx import DATATYPES, open_session, runtime_errors
from predictors.signature import Column, Tensors, TensorSpec

#: How many rows are made up for a model without a sample.
GENERATED_ROWS: Final = 5

_TEXTS: Final = ("example", "", "two words", "naïve ☃", "42")


def describe_onnx(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the input and output tensors of an ONNX file, under its own names.

    A first axis that the file leaves open is the number of rows. Axes of outputs that it does not tell are seen by
    scoring ``generated_rows``.

    Args:
        path: The file; all weights must be inside.

    Raises:
        PackingError: The file cannot be loaded, or takes or gives what a V2 tensor cannot hold.
    """
    try:
        session = open_session(path)
    except ArtifactError as err:
        raise PackingError(_how_to_mend(path, str(err))) from err
    inputs = tuple(_input_spec(path, node) for node in session.get_inputs())
    if not inputs:
        raise PackingError(f"{path}: the model takes no input")
    outputs = session.get_outputs()
    if any(not _is_settled(node.shape) for node in outputs):
        outputs = [_Seen(node, shape) for node, shape in zip(outputs, _seen_shapes(path, session, inputs), strict=True)]
    return inputs, tuple(_spec(path, "output", node) for node in outputs)


def generated_rows(inputs: tuple[TensorSpec, ...]) -> Tensors:
    """Return a few made-up rows, always the same: small numbers around zero, whole ones 0 and 1, short texts.

    Args:
        inputs: The model's input tensors; one whose first axis is not -1 gets as many rows as that says.
    """
    return {spec.name: _generated(spec) for spec in inputs}


class _Seen:
    """A node with the shape that was seen instead of the one that was not told."""

    def __init__(self, node: Any, shape: tuple[int | str, ...]) -> None:
        self.name: str = node.name
        self.type: str = node.type
        self.shape = list(shape)


def _generated(spec: TensorSpec) -> npt.NDArray[np.generic]:
    shape = tuple(GENERATED_ROWS if size == -1 else size for size in spec.shape)
    places = np.arange(int(np.prod(shape)))
    dtype = DTYPES[spec.datatype]
    values: npt.NDArray[np.generic]
    if dtype.kind == "f":
        # The golden angle's multiples never repeat, so neighbouring values differ.
        values = np.round(2 * np.sin(places * 2.399963), 3)
    elif dtype.kind == "O":
        values = np.array(_TEXTS, dtype=object)[places % len(_TEXTS)]
    else:
        values = places % 2
    return values.astype(dtype).reshape(shape)


def _input_spec(path: Path, node: Any) -> TensorSpec:
    spec = _spec(path, "input", node)
    dtype = "str" if spec.datatype == "BYTES" else str(DTYPES[spec.datatype])
    if len(spec.shape) == 1:
        columns: tuple[Column, ...] = (Column(name=spec.name, dtype=dtype),)
    elif len(spec.shape) == 2:  # noqa: PLR2004
        columns = tuple(Column(name=f"{spec.name}_{place}", dtype=dtype) for place in range(spec.shape[1]))
    else:
        columns = ()
    return spec.model_copy(update={"columns": columns})


def _spec(path: Path, role: str, node: Any) -> TensorSpec:
    label = f'{path}: {role} "{node.name}"'
    if node.type.startswith(("seq(", "map(")):
        raise PackingError(
            f"{label} is a {node.type}, which a V2 tensor cannot hold; export the classifier with zipmap=False "
            "(skl2onnx: options={'zipmap': False}), so that it gives a tensor of probabilities"
        )
    if node.type not in DATATYPES:
        known = ", ".join(sorted(name.removeprefix("tensor(").removesuffix(")") for name in DATATYPES))
        raise PackingError(f"{label} is a {node.type}; V2 tensors hold {known}: cast it inside the model")
    if not node.shape:
        raise PackingError(f"{label} has no axes, or does not tell them; export it with a first axis for the rows")
    if not _is_settled(node.shape):
        name = next(size for size in node.shape[1:] if not _is_size(size))
        raise PackingError(
            f"{label} has shape {node.shape}: only the first axis may be open; fix the others, for instance with "
            f"python -m onnxruntime.tools.make_dynamic_shape_fixed --dim_param {name} --dim_value N"
        )
    first, *others = node.shape
    return TensorSpec(name=node.name, datatype=DATATYPES[node.type], shape=(first if _is_size(first) else -1, *others))


def _is_settled(shape: list[int | str | None]) -> bool:
    return bool(shape) and all(_is_size(size) for size in shape[1:])


def _is_size(size: int | str | None) -> bool:
    return isinstance(size, int) and size > 0


def _seen_shapes(path: Path, session: Any, inputs: tuple[TensorSpec, ...]) -> list[tuple[int | str, ...]]:
    tensors = generated_rows(inputs)
    feed = {spec.name: tensors[spec.name] for spec in inputs}
    try:
        arrays = session.run(None, feed)
    except runtime_errors() as err:
        raise PackingError(f"{path}: the model fails on made-up rows, which would tell its shapes: {err}") from err
    return [
        ("rows", *array.shape[1:]) if isinstance(array, np.ndarray) else tuple(node.shape or ())
        for node, array in zip(session.get_outputs(), arrays, strict=True)
    ]


def _how_to_mend(path: Path, fault: str) -> str:
    sentence = fault.replace("model.onnx", str(path), 1)
    if "xternal data" in fault or "model_path must not be empty" in fault:
        return (
            f"{path} keeps weights in another file; save it as one file: "
            "onnx.save(onnx.load(path), path, save_as_external_data=False)"
        )
    if "is not a registered function/op" in fault:
        return f"{sentence}; custom operators cannot be served: export the model with standard ONNX operators"
    return sentence
