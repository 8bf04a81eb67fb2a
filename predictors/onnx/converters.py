# SPDX-License-Identifier: Apache-2.0
"""Converters for skl2onnx where its own are not in scikit-learn's arithmetic: tree ensembles and two transformers.

skl2onnx's tree converters move thresholds instead of rounding values, and sum in float32. These make the operator
``TreeEnsemble`` (ai.onnx.ml 5) from float64 thresholds and leaves, after rounding the values as scikit-learn does, and
sum in its order, so that probabilities come out bit for bit. They are given to skl2onnx with the call and leave its
registries alone.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import BooleanTensorType, DoubleTensorType, Int64TensorType, StringTensorType
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.operator_converters.polynomial_features import convert_sklearn_polynomial_features
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from predictors.onnx.trees import Floats, Ints, Tree, compares_float32, trees_of

Converter = Callable[[Any, Any, Any], None]


def converters() -> dict[type, Converter]:
    """Return skl2onnx's ``custom_conversion_functions``."""
    return {
        **dict.fromkeys((DecisionTreeClassifier, ExtraTreeClassifier), _convert_forest_classifier),
        **dict.fromkeys((RandomForestClassifier, ExtraTreesClassifier), _convert_forest_classifier),
        **dict.fromkeys((DecisionTreeRegressor, ExtraTreeRegressor), _convert_forest_regressor),
        **dict.fromkeys((RandomForestRegressor, ExtraTreesRegressor), _convert_forest_regressor),
        **dict.fromkeys((GradientBoostingClassifier, HistGradientBoostingClassifier), _convert_boosting_classifier),
        **dict.fromkeys((GradientBoostingRegressor, HistGradientBoostingRegressor), _convert_boosting_regressor),
        SimpleImputer: _convert_imputer,
        PolynomialFeatures: _convert_polynomial_features,
    }


def shape_calculators() -> dict[type, Callable[[Any], None]]:
    """Return skl2onnx's ``custom_shape_calculators`` for the models among these classes."""
    return {
        cls: _classifier_shapes if issubclass(cls, ClassifierMixin) else _regressor_shapes
        for cls in converters()
        if issubclass(cls, ClassifierMixin | RegressorMixin)
    }


class _Voter(NamedTuple):
    """A tree whose every leaf adds one weight to one target."""

    tree: Tree
    target: Ints
    weight: Floats


class _Graph:
    """Adds nodes to skl2onnx's container under names that are free, and returns the name of what a node makes."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        if len(operator.inputs) != 1:
            raise NotImplementedError(f"{type(operator.raw_operator).__name__} takes one matrix")
        self._scope = scope
        self._container = container
        self.input: str = operator.inputs[0].full_name
        self.outputs: list[str] = [variable.full_name for variable in operator.outputs]

    def node(self, kind: str, inputs: list[str], output: str | None = None, domain: str = "", **attributes: Any) -> str:
        output = output or self._scope.get_unique_variable_name(f"{kind}_output")
        self._container.add_node(
            kind, inputs, output, op_domain=domain, name=self._scope.get_unique_operator_name(kind), **attributes
        )
        return output

    def constant(self, values: Any) -> str:
        array = np.asarray(values)
        kind = numpy_helper.from_array(array).data_type
        name: str = self._scope.get_unique_variable_name("constant")
        flat = array.ravel().tolist()
        self._container.add_initializer(
            name, kind, array.shape, [text.encode() for text in flat] if kind == TensorProto.STRING else flat
        )
        return name

    def pick_label(self, estimator: BaseEstimator, index: str) -> None:
        """Write the classifier's label output: the class at each row's index, (rows,)."""
        self.node("Gather", [self.constant(_classes(estimator)), index], self.outputs[0])


def _convert_forest_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    _require_one_target(estimator)
    trees = trees_of(estimator)
    voters = [voter for tree in trees for voter in _voters_of_distributions(tree)]
    votes = _tree_ensemble(graph, estimator, voters, targets=len(estimator.classes_))
    graph.node("Div", [votes, graph.constant(np.float64(len(trees)))], graph.outputs[1])
    graph.pick_label(estimator, graph.node("ArgMax", [votes], axis=1, keepdims=0))


def _convert_forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    _require_one_target(estimator)
    trees = trees_of(estimator)
    voters = [_Voter(tree, np.zeros_like(tree.feature), tree.value[:, 0]) for tree in trees]
    total = _tree_ensemble(graph, estimator, voters, targets=1)
    graph.node("Div", [total, graph.constant(np.float64(len(trees)))], graph.outputs[0])


def _convert_boosting_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    scores = _boosted_scores(graph, estimator)
    loss = type(estimator._loss).__name__
    if loss == "HalfMultinomialLoss":
        graph.node("Softmax", [scores], graph.outputs[1], axis=1)
        graph.pick_label(estimator, graph.node("ArgMax", [scores], axis=1, keepdims=0))
        return
    if loss not in ("HalfBinomialLoss", "ExponentialLoss"):
        raise NotImplementedError(f"{loss} has no ONNX form here")
    doubled = graph.node("Add", [scores, scores]) if loss == "ExponentialLoss" else scores
    second = graph.node("Sigmoid", [doubled])
    first = graph.node("Sub", [graph.constant(np.float64(1)), second])
    graph.node("Concat", [first, second], graph.outputs[1], axis=1)
    # Gradient boosting calls a score of exactly 0 the second class, histogram gradient boosting the first.
    kind = "Greater" if isinstance(estimator, HistGradientBoostingClassifier) else "GreaterOrEqual"
    chosen = graph.node(kind, [scores, graph.constant(np.float64(0))])
    index = graph.node("Cast", [chosen], to=TensorProto.INT64)
    graph.pick_label(estimator, graph.node("Reshape", [index, graph.constant(np.array([-1]))]))


def _convert_boosting_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, estimator = _Graph(scope, operator, container), operator.raw_operator
    scores = _boosted_scores(graph, estimator)
    link = type(estimator._loss.link).__name__
    operators = {"IdentityLink": "Identity", "LogLink": "Exp"}
    if link not in operators:
        raise NotImplementedError(f"{link} has no ONNX form here")
    graph.node(operators[link], [scores], graph.outputs[0])


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    if not isinstance(operator.inputs[0].type, DoubleTensorType):
        convert_sklearn_imputer(scope, operator, container)  # its operator is for float32, integers and texts
        return
    graph = _Graph(scope, operator, container)
    fill = np.asarray(estimator.statistics_, dtype=np.float64)
    if estimator.add_indicator or not _is_nan(estimator.missing_values) or np.isnan(fill).any():
        raise NotImplementedError("SimpleImputer has an ONNX form here only if it fills every NaN, and adds no columns")
    graph.node("Where", [graph.node("IsNaN", [graph.input]), graph.constant(fill), graph.input], graph.outputs[0])


def _convert_polynomial_features(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    if not isinstance(operator.inputs[0].type, DoubleTensorType):
        convert_sklearn_polynomial_features(scope, operator, container)
        return
    graph = _Graph(scope, operator, container)
    features, degree = estimator.n_features_in_, max(1, int(estimator.powers_.sum(axis=1).max()))
    # Each output is a product of as many columns as the degree says; a further column of ones stands for none.
    factors = np.full((len(estimator.powers_), degree), features)
    for place, powers in enumerate(estimator.powers_):
        columns = np.repeat(np.arange(features), powers)
        factors[place, : len(columns)] = columns
    with_ones = graph.node(
        "Pad", [graph.input, graph.constant(np.array([0, 0, 0, 1])), graph.constant(np.float64(1))], mode="constant"
    )
    parts = [graph.node("Gather", [with_ones, graph.constant(part)], axis=1) for part in factors.T]
    while len(parts) > 1:  # scikit-learn multiplies from the last factor to the first
        parts[-2:] = [graph.node("Mul", parts[-2:])]
    graph.node("Identity", parts, graph.outputs[0])


def _boosted_scores(graph: _Graph, estimator: Any) -> str:
    trees = trees_of(estimator)
    if not trees:
        raise NotImplementedError("histogram gradient boosting with categorical features has no ONNX form here")
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        rate, start = 1.0, np.ravel(estimator._baseline_prediction)
    elif estimator.init_ == "zero" or isinstance(estimator.init_, DummyClassifier | DummyRegressor):
        rate = estimator.learning_rate
        start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))[0]
    else:
        raise NotImplementedError("gradient boosting that starts from another estimator has no ONNX form here")
    targets = len(start)
    # scikit-learn starts its sum at the baseline; the operator would add one last. So the first trees bring it.
    voters = [
        _Voter(
            tree,
            np.full_like(tree.feature, place % targets),
            rate * tree.value[:, 0] + (start[place] if place < targets else 0.0),
        )
        for place, tree in enumerate(trees)
    ]
    return _tree_ensemble(graph, estimator, voters, targets)


def _voters_of_distributions(tree: Tree) -> list[_Voter]:
    """Return as many voters as the tree's least pure leaf has classes: the operator's leaves name one target each."""
    leaves = tree.left < 0
    order = np.argsort(tree.value == 0, axis=1, kind="stable")
    copies = int((tree.value[leaves] != 0).sum(axis=1).max())
    return [
        _Voter(tree, order[:, copy], np.take_along_axis(tree.value, order[:, copy : copy + 1], axis=1)[:, 0])
        for copy in range(copies)
    ]


def _tree_ensemble(graph: _Graph, estimator: BaseEstimator, voters: list[_Voter], targets: int) -> str:
    """Add the operator; return the name of the sums of the leaves' weights, float64 (rows, targets)."""
    values = graph.input
    if compares_float32(estimator):
        values = graph.node("Cast", [values], to=TensorProto.FLOAT)
    values = graph.node("Cast", [values], to=TensorProto.DOUBLE)
    parts = [_attributes(voter) for voter in voters]
    inner = np.concatenate([[0], np.cumsum([len(part["nodes_featureids"]) for part in parts])])
    leaves = np.concatenate([[0], np.cumsum([len(part["leaf_weights"]) for part in parts])])
    for part, inner_start, leaf_start in zip(parts, inner, leaves, strict=False):
        for side in ("true", "false"):
            part[f"nodes_{side}nodeids"] += np.where(part[f"nodes_{side}leafs"] == 1, leaf_start, inner_start)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tensors = {
        "nodes_splits": joined.pop("nodes_splits"),
        "nodes_modes": np.zeros(inner[-1], np.uint8),  # 0: a value up to and including the split goes the true way
        "leaf_weights": joined.pop("leaf_weights"),
    }
    return graph.node(
        "TreeEnsemble",
        [values],
        domain="ai.onnx.ml",
        op_version=3,  # the newest that skl2onnx lets through; the exporter writes the true one, 5, into the file
        n_targets=targets,
        aggregate_function=1,  # the sum
        post_transform=0,  # none
        tree_roots=[int(start) for start, _ in pairwise(inner)],
        **{name: numpy_helper.from_array(array, name) for name, array in tensors.items()},
        **{name: array.tolist() for name, array in joined.items()},
    )


def _attributes(voter: _Voter) -> dict[str, Any]:
    """Return the operator's attributes for one tree, children counted from its own first inner node or leaf."""
    tree = voter.tree
    is_leaf = tree.left < 0
    if is_leaf[0]:  # the operator wants an inner node for a root
        return {
            "nodes_featureids": np.zeros(1, np.int64),
            "nodes_splits": np.zeros(1),
            "nodes_missing_value_tracks_true": np.zeros(1, np.int64),
            **{f"nodes_{side}leafs": np.ones(1, np.int64) for side in ("true", "false")},
            "nodes_truenodeids": np.array([0]),
            "nodes_falsenodeids": np.array([1]),
            "leaf_targetids": np.repeat(voter.target[:1], 2),
            "leaf_weights": np.repeat(voter.weight[:1], 2),
        }
    place = np.where(is_leaf, np.cumsum(is_leaf), np.cumsum(~is_leaf)) - 1
    left, right = tree.left[~is_leaf], tree.right[~is_leaf]
    return {
        "nodes_featureids": tree.feature[~is_leaf],
        "nodes_splits": tree.threshold[~is_leaf],
        "nodes_missing_value_tracks_true": tree.missing_left[~is_leaf].astype(np.int64),
        "nodes_trueleafs": is_leaf[left].astype(np.int64),
        "nodes_falseleafs": is_leaf[right].astype(np.int64),
        "nodes_truenodeids": place[left],
        "nodes_falsenodeids": place[right],
        "leaf_targetids": voter.target[is_leaf],
        "leaf_weights": voter.weight[is_leaf],
    }


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _require_one_target(estimator: Any) -> None:
    if estimator.n_outputs_ != 1:
        raise NotImplementedError("trees with several targets have no ONNX form here")


def _classes(estimator: Any) -> Any:
    classes = np.asarray(estimator.classes_)
    return classes.astype(np.int64) if classes.dtype.kind in "iu" else classes


def _classifier_shapes(operator: Any) -> None:
    classes = _classes(operator.raw_operator)
    kinds = {"i": Int64TensorType, "b": BooleanTensorType, "f": DoubleTensorType}
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = kinds.get(classes.dtype.kind, StringTensorType)([rows])
    operator.outputs[1].type = DoubleTensorType([rows, len(classes)])


def _regressor_shapes(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([operator.inputs[0].get_first_dimension(), 1])
