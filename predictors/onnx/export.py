# SPDX-License-Identifier: Apache-2.0
"""A fitted estimator as ONNX, with exactly the signature's inputs and outputs: a candidate for the parity gate."""

import importlib
import warnings
from dataclasses import dataclass
from typing import Any, Final

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from predictors.datatypes import Datatype
from predictors.errors import PackingError
from predictors.model_inputs import Layout
from predictors.onnx.operating_point import unwrapped
from predictors.onnx.parity import FLOAT32_TREES, FLOAT64, Tolerance
from predictors.signature import TensorSpec

#: What skl2onnx raises, from its own code, on a model that it has no converter for or does not understand.
_CONVERTER_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

#: Tree operators before TreeEnsemble: their sums are float32, whatever their thresholds are.
_FLOAT32_TREES: Final = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")

_LONGEST_REASON: Final = 200


@dataclass(frozen=True)
class Strategy:
    """One way of doing a model's arithmetic in ONNX.

    Attributes:
        name: What the reports call it.
        numbers: The datatype that every number is cast to before the first step.
        own_converters: Whether ``onnx_converters`` does what it has, or skl2onnx does all.
    """

    name: str
    numbers: Datatype
    own_converters: bool


#: In the order in which they are tried: scikit-learn's own arithmetic first, then float32 from end to end.
STRATEGIES: Final = (
    Strategy("float64", "FP64", own_converters=True),
    Strategy("float32", "FP32", own_converters=False),
)


def export_onnx(
    estimator: BaseEstimator,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    layout: Layout,
    strategy: Strategy = STRATEGIES[0],
) -> bytes:
    """Return the estimator as an ONNX file that takes and gives the signature's tensors.

    An input (rows,) of the signature is (rows, 1) in the file; all else is as the signature says. The same model gives
    the same bytes in every process. Nothing is said about equality: that is the parity gate's part.

    Args:
        estimator: The fitted estimator; it is not changed, nor anything refitted.
        inputs: The model's input tensors.
        outputs: Its output tensors; of skl2onnx's, as many as these are kept, in their order.
        layout: What the estimator was fitted on.
        strategy: How its arithmetic is done.

    Raises:
        PackingError: skl2onnx is not installed, or has no converter for this model; or the file cannot be made.
    """
    onnx_graph, compose = _import("predictors.onnx.graph"), _import("onnx.compose")
    try:
        bare, point = unwrapped(estimator)
        by_column = layout == "frame" and _picks_columns(bare)
        converted = _convert(bare, _initial_types(inputs, strategy, by_column=by_column), strategy)
        body = compose.add_prefix(converted, "model/")  # no name of its own may be one of the signature's
        graph = onnx_graph.frame_graph(
            body.graph, inputs, outputs, numbers=strategy.numbers, by_column=by_column, point=point
        )
        content: bytes = onnx_graph.serialise(graph, body)
    except _CONVERTER_ERRORS as err:
        sentence = " ".join(str(err).split()).split(". ")[0][:_LONGEST_REASON] or type(err).__name__
        raise PackingError(f"{type(estimator).__name__} does not convert to ONNX: {sentence}") from err
    return content


def tolerance_of(model: bytes) -> Tolerance:
    """Return what the gate allows to an exported file: more only where trees add up float32 numbers."""
    nodes = _import("onnx").load_from_string(model).graph.node
    return FLOAT32_TREES if any(node.op_type in _FLOAT32_TREES for node in nodes) else FLOAT64


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise PackingError(
            f"{err.name} is not installed, so no model.onnx was tried; install portside[pipelines] to try it"
        ) from err


def _picks_columns(estimator: BaseEstimator) -> bool:
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(isinstance(part, ColumnTransformer) for part in parts)


def _initial_types(inputs: tuple[TensorSpec, ...], strategy: Strategy, *, by_column: bool) -> list[tuple[str, Any]]:
    types, width = _import("skl2onnx.common.data_types"), _import("predictors.onnx.graph").width
    number = {"FP64": types.DoubleTensorType, "FP32": types.FloatTensorType}[strategy.numbers]
    kinds = [types.StringTensorType if spec.datatype == "BYTES" else number for spec in inputs]
    if by_column:
        named = [(column.name, kind) for spec, kind in zip(inputs, kinds, strict=True) for column in spec.columns]
        return [(name, kind([None, 1])) for name, kind in named]
    if len(set(kinds)) > 1:
        raise TypeError("texts and numbers together do not make one matrix")
    return [("rows", kinds[0]([None, sum(map(width, inputs))]))]


def _convert(estimator: BaseEstimator, initial_types: list[tuple[str, Any]], strategy: Strategy) -> Any:
    skl2onnx, onnx_graph = _import("skl2onnx"), _import("predictors.onnx.graph")
    own = _import("predictors.onnx.converters") if strategy.own_converters else None
    # Its warnings are about its own operator versions and options; what matters here, the gate sees.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return skl2onnx.convert_sklearn(
            estimator,
            name="model",
            initial_types=initial_types,
            target_opset={"": onnx_graph.OPSET, "ai.onnx.ml": onnx_graph.ML_OPSET},
            # Probabilities as a tensor, not as a list of dictionaries; models without them refuse the option.
            options={id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None,
            custom_conversion_functions=own and own.converters(),
            custom_shape_calculators=own and own.shape_calculators(),
        )
