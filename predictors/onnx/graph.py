# SPDX-License-Identifier: Apache-2.0
"""The ends of an ONNX graph: from the signature's tensors to what the estimator was fitted on, and back."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from predictors.datatypes import DTYPES, Datatype
from predictors.onnx.operating_point import OperatingPoint
from predictors.signature import TensorSpec

#: onnx 1.16's operators and file format: older runtimes on the edge read them, and TreeEnsemble came with them.
OPSET: Final = 21
IR_VERSION: Final = 10

#: skl2onnx's newest operators for machine learning, and those that TreeEnsemble belongs to.
ML_OPSET: Final = 3
ML_OPSET_OF_TREES: Final = 5

#: Protocol buffers have no larger messages.
_LARGEST: Final = 2**31 - 1

#: What scikit-learn's text features become.
_TEXT_OPERATORS: Final = ("StringNormalizer", "Tokenizer")

_ELEMENT_TYPES: Final[dict[Datatype, int]] = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def frame_graph(
    body: GraphProto,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    *,
    numbers: Datatype,
    by_column: bool,
    point: OperatingPoint | None,
) -> GraphProto:
    """Return a converted graph with the signature's tensors at both ends.

    Args:
        body: What skl2onnx made; its names are not those of the signature.
        inputs: The model's input tensors.
        outputs: Its output tensors: those of the body, in its order.
        numbers: The datatype in which the body takes numbers.
        by_column: Whether the body takes one tensor (rows, 1) for each column, or one matrix.
        point: What decides on the label instead of the body, if anything does.

    Raises:
        TypeError: The body gives something else than the signature says, or splits texts.
        ValueError: It gives too few outputs.
    """
    if any(node.op_type in _TEXT_OPERATORS for node in body.node):
        raise TypeError("ONNX Runtime splits texts otherwise than scikit-learn, and by locales that an image may lack")
    if len(body.output) < len(outputs):
        raise ValueError(f"the file would give {len(body.output)} outputs where the signature has {len(outputs)}")
    start, end = _Nodes(), _Nodes()
    _take_inputs(start, inputs, [value.name for value in body.input], numbers, by_column=by_column)
    for place, (spec, value) in enumerate(zip(outputs, body.output, strict=False)):
        if point is not None and place == 0:
            _decide_label(end, spec, body.output[1], point)
        else:
            _give_output(end, spec, value)
    return helper.make_graph(
        nodes=[*start.nodes, *body.node, *end.nodes],
        name="model",
        inputs=[
            helper.make_tensor_value_info(spec.name, _ELEMENT_TYPES[spec.datatype], [None, width(spec)])
            for spec in inputs
        ],
        outputs=[
            helper.make_tensor_value_info(spec.name, _ELEMENT_TYPES[spec.datatype], [None, *spec.shape[1:]])
            for spec in outputs
        ],
        initializer=[*body.initializer, *end.constants],
    )


def serialise(graph: GraphProto, made_by: ModelProto) -> bytes:
    """Return the file of a graph whose body came with another model; the same graph gives the same bytes.

    Raises:
        ValueError: It is too large for the format.
    """
    # skl2onnx collects the operators' domains in a set, whose order changes with the process.
    versions = {entry.domain: entry.version for entry in made_by.opset_import} | {"": OPSET}
    if any(node.op_type == "TreeEnsemble" for node in graph.node):
        versions["ai.onnx.ml"] = ML_OPSET_OF_TREES
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())],
        functions=list(made_by.functions),
        ir_version=IR_VERSION,
        producer_name="portside",
    )
    if model.ByteSize() > _LARGEST:
        raise ValueError("the file would be larger than 2 GiB, which the format does not allow")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def width(spec: TensorSpec) -> int:
    """Return how many columns an input has."""
    return spec.shape[1] if len(spec.shape) > 1 else 1


class _Nodes:
    """Nodes and constants on their way into a graph."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def _take_inputs(
    graph: _Nodes, inputs: tuple[TensorSpec, ...], targets: list[str], numbers: Datatype, *, by_column: bool
) -> None:
    """Cast the inputs, and split or join them into the body's."""
    free = iter(targets)
    parts: list[str] = []
    for place, spec in enumerate(inputs):
        is_target = width(spec) == 1 if by_column else len(inputs) == 1
        part = next(free) if is_target else f"input/{place}"
        if spec.datatype in ("BYTES", numbers):
            graph.add("Identity", [spec.name], part)
        else:
            graph.add("Cast", [spec.name], part, to=_ELEMENT_TYPES[numbers])
        if by_column and not is_target:
            graph.add("Split", [part], *(next(free) for _ in spec.columns), axis=1, num_outputs=width(spec))
        parts.append(part)
    if not by_column and len(inputs) > 1:
        graph.add("Concat", parts, targets[0], axis=1)


def _give_output(graph: _Nodes, spec: TensorSpec, value: ValueInfoProto) -> None:
    """Give one of the body's outputs the signature's name, datatype and rank."""
    if not value.type.HasField("tensor_type"):
        raise TypeError(f"output {spec.name!r} would be a sequence, not a tensor")
    tensor, name = value.type.tensor_type, value.name
    if len(spec.shape) == 1 and len(tensor.shape.dim) != 1:
        name = graph.add("Reshape", [name, graph.constant(f"{name}/shape", np.array([-1]))], f"{name}/flat")
    wanted = _ELEMENT_TYPES[spec.datatype]
    if tensor.elem_type == wanted:
        graph.add("Identity", [name], spec.name)
    elif TensorProto.STRING in (tensor.elem_type, wanted):
        given = "BYTES" if tensor.elem_type == TensorProto.STRING else "numbers"
        raise TypeError(f"output {spec.name!r} would be {given}, not {spec.datatype}")
    else:
        graph.add("Cast", [name], spec.name, to=wanted)


def _decide_label(graph: _Nodes, spec: TensorSpec, probabilities: ValueInfoProto, point: OperatingPoint) -> None:
    """Give each row the label of its side of the threshold."""
    column = graph.constant("point/column", np.array([point.column]))
    score = graph.add("Gather", [probabilities.name, column], "point/score", axis=1)
    score = graph.add("Cast", [score], "point/double", to=TensorProto.DOUBLE)
    threshold = graph.constant("point/threshold", np.float64(point.threshold))
    positive = graph.add("GreaterOrEqual", [score, threshold], "point/positive")
    index = graph.add("Cast", [positive], "point/index", to=TensorProto.INT64)
    index = graph.add("Reshape", [index, graph.constant("point/shape", np.array([-1]))], "point/flat")
    labels = graph.constant("point/labels", point.labels.astype(DTYPES[spec.datatype]))
    graph.add("Gather", [labels, index], spec.name)
