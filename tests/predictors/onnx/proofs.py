# SPDX-License-Identifier: Apache-2.0
"""What the tests of the ONNX part share: a fitted model bound to its tensors, and the attempt to prove it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
from sklearn.datasets import make_classification, make_regression

from predictors.binding import Binding, bind
from predictors.onnx.export import Strategy, export_onnx
from predictors.onnx.proof import OnnxProof, prove_onnx
from predictors.sample import TensorLayout, model_rows
from predictors.scorers.onnx import OnnxScorer

Array = npt.NDArray[Any]


def two_classes(rows: int = 400) -> tuple[Array, Array]:
    matrix, targets = make_classification(rows, 6, n_informative=4, flip_y=0.1, random_state=0)
    return matrix, targets


def three_classes(rows: int = 400) -> tuple[Array, Array]:
    matrix, targets = make_classification(rows, 6, n_informative=4, n_classes=3, random_state=0)
    return matrix, targets


def amounts(rows: int = 400) -> tuple[Array, Array]:
    matrix, targets = make_regression(rows, 6, n_informative=4, noise=0.5, random_state=0)
    return matrix, targets


def machines(rows: int = 500) -> tuple[pd.DataFrame, Array]:
    """Return mixed columns, one of them text, and which machine failed."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "type": rng.choice(["L", "M", "H"], rows).astype(object),
            "air temperature [K]": rng.normal(300, 2, rows).round(1),
            "speed": rng.integers(1_200, 2_800, rows),
            "torque": rng.normal(40, 10, rows).round(1),
        }
    )
    failed = (frame["torque"] * frame["speed"] > 75_000) | ((frame["type"] == "L") & (frame["torque"] > 50))
    return frame, failed.to_numpy().astype(int)


def bound(model: Any, sample: Any, tensors: TensorLayout = "auto") -> Binding:
    return bind(model, model_rows(sample, model, None), tensors)


def prove(model: Any, sample: Any, tensors: TensorLayout = "auto") -> OnnxProof:
    binding = bound(model, sample, tensors)
    return prove_onnx(model, binding.scorer, binding.signature, binding.layout, binding.rows)


def export(model: Any, binding: Binding, strategy: Strategy) -> bytes:
    return export_onnx(model, binding.signature.inputs, binding.signature.outputs, binding.layout, strategy)


def scorer_of(content: bytes, binding: Binding) -> OnnxScorer:
    return OnnxScorer(content, binding.signature.inputs, binding.signature.outputs)


def read_tree_attribute(content: bytes, name: str) -> Array:
    """Return a tensor attribute of the file's TreeEnsemble."""
    return onnx.numpy_helper.to_array(_tree_attribute(onnx.load_from_string(content), name).t)


def with_tree_attribute(content: bytes, name: str, values: Array) -> bytes:
    """Return the file with another tensor in that attribute of its TreeEnsemble."""
    model = onnx.load_from_string(content)
    _tree_attribute(model, name).t.CopyFrom(onnx.numpy_helper.from_array(values, name))
    altered: bytes = model.SerializeToString()
    return altered


def _tree_attribute(model: onnx.ModelProto, name: str) -> Any:
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    return next(attribute for attribute in node.attribute if attribute.name == name)
