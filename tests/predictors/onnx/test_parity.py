# SPDX-License-Identifier: Apache-2.0
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from predictors.binding import Binding
from predictors.errors import PredictorError
from predictors.onnx import splits as splits_module
from predictors.onnx.edges import rows_at_edges
from predictors.onnx.export import STRATEGIES
from predictors.onnx.parity import FLOAT32_TREES, FLOAT64, Tolerance, check_parity
from predictors.onnx.perturbation import perturbed_rows
from predictors.onnx.trees import split_points, trees_of
from predictors.rows import number_of_rows, stack
from predictors.signature import Tensors
from tests.predictors.onnx.proofs import (
    Array,
    amounts,
    bound,
    export,
    machines,
    prove,
    read_tree_attribute,
    scorer_of,
    two_classes,
    with_tree_attribute,
)


class Fixed:
    """Gives the same outputs whatever it is asked, row by row."""

    name: ClassVar[str] = "fixed"
    inline: ClassVar[bool] = False

    def __init__(self, **outputs: Array) -> None:
        self.outputs = outputs

    def score(self, inputs: Tensors) -> Tensors:
        rows = inputs["row"].astype(int)
        return {name: array[rows] for name, array in self.outputs.items()}


class Failing(Fixed):
    def score(self, inputs: Tensors) -> Tensors:
        raise PredictorError("no luck")


def numbered(count: int) -> dict[str, Array]:
    return {"row": np.arange(count)}


def all_rows(model: Any, binding: Binding) -> Mapping[str, Any]:
    more = perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs)
    return stack([binding.rows, more])


PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])


def test_equal_outputs_hold_and_the_report_says_on_what() -> None:
    scorer = Fixed(label=np.array(["ham", "spam", "ham"], dtype=object), probabilities=PROBABILITIES)
    report = check_parity(scorer, scorer, numbered(3))
    assert report.held
    assert report.reason == "label equal, probabilities equal on 3 rows"
    assert report.max_relative_difference == {"probabilities": 0.0}
    assert report.rows == 3


def test_close_probabilities_hold_and_the_report_says_how_close() -> None:
    report = check_parity(
        Fixed(probabilities=PROBABILITIES), Fixed(probabilities=PROBABILITIES * (1 + 5e-7)), numbered(3)
    )
    assert report.held
    assert report.reason == "probabilities within 5.0e-07 relative on 3 rows"


@pytest.mark.parametrize(
    ("expected", "actual", "reason"),
    [
        pytest.param(
            np.array([0, 1, 1, 0]),
            np.array([0, 0, 1, 1]),
            "label: other on 2 of 4 rows, first on row 1, where 1 became 0",
            id="labels",
        ),
        pytest.param(
            np.array(["ham", "spam"], dtype=object),
            np.array(["ham", "ham"], dtype=object),
            "label: other on 1 of 2 rows, first on row 1, where 'spam' became 'ham'",
            id="words",
        ),
        pytest.param(
            np.array([0.5, 0.25]),
            np.array([0.5, 0.2500005]),
            "label: off by up to 2.0e-06 relative (1e-06 is allowed), most on row 1, where 0.25 became 0.2500005",
            id="numbers",
        ),
        pytest.param(
            np.array([1.0, np.nan]),
            np.array([np.nan, np.nan]),
            "label: not missing (NaN) on the same rows, first on row 0",
            id="missing",
        ),
        pytest.param(
            np.array([1.0, np.inf]), np.array([1.0, 5.0]), "where inf became 5.0", id="infinity became a number"
        ),
        pytest.param(np.zeros(2), np.zeros((2, 1)), "label: float64 (2, 1) instead of float64 (2,)", id="shape"),
        pytest.param(np.zeros(2), np.zeros(2, np.float32), "label: float32 (2,) instead of float64 (2,)", id="dtype"),
    ],
)
def test_a_difference_is_told_in_one_sentence(expected: Array, actual: Array, reason: str) -> None:
    report = check_parity(Fixed(label=expected), Fixed(label=actual), numbered(len(expected)))
    assert not report.held
    assert reason in report.reason


def test_equal_infinities_and_missing_values_hold() -> None:
    scorer = Fixed(prediction=np.array([np.inf, -np.inf, np.nan, 0.0]))
    assert check_parity(scorer, scorer, numbered(4)).held


def test_an_output_that_is_not_there_is_a_difference() -> None:
    report = check_parity(Fixed(label=np.zeros(1), probabilities=np.zeros(1)), Fixed(label=np.zeros(1)), numbered(1))
    assert report.reason == "there is no probabilities"


def test_a_candidate_that_fails_does_not_hold() -> None:
    report = check_parity(Fixed(label=np.zeros(1)), Failing(), numbered(1))
    assert not report.held
    assert "no luck" in report.reason


def test_a_row_alone_is_compared_with_the_same_row_in_a_batch() -> None:
    class Batched(Fixed):
        def score(self, inputs: Tensors) -> Tensors:
            alone = len(inputs["row"]) == 1
            return {name: array + alone for name, array in super().score(inputs).items()}

    report = check_parity(Fixed(label=np.arange(100)), Batched(label=np.arange(100)), numbered(100))
    assert report.reason.startswith("label of a row scored alone: other on")


@given(
    expected=hnp.arrays(np.float64, 8, elements=st.floats(-1e6, 1e6)),
    factor=st.floats(-3, 3),
    row=st.integers(0, 7),
)
@example(expected=np.zeros(8), factor=1.0, row=0)
def test_the_tolerance_is_relative_to_the_value_or_near_zero_to_the_outputs_scale(
    expected: Array, factor: float, row: int
) -> None:
    tolerance = Tolerance(relative=1e-6, floor=1e-6)
    actual = expected.copy()
    allowed = 1e-6 * max(abs(expected[row]), 1e-6 * np.abs(expected).max())
    actual[row] += factor * allowed
    moved = abs(actual[row] - expected[row])
    report = check_parity(Fixed(p=expected), Fixed(p=actual), numbered(8), tolerance)
    if moved == 0 or moved < 0.999 * allowed:
        assert report.held, report.reason
    if moved > 1.001 * allowed:
        assert not report.held


def test_float32_trees_are_allowed_more_but_no_wrong_probability() -> None:
    off = PROBABILITIES + np.array([[6e-7, -6e-7]] * 3)
    assert check_parity(Fixed(p=PROBABILITIES), Fixed(p=off), numbered(3), FLOAT32_TREES).held
    wrong = PROBABILITIES + np.array([[0.01, -0.01]] * 3)
    assert not check_parity(Fixed(p=PROBABILITIES), Fixed(p=wrong), numbered(3), FLOAT32_TREES).held


def naive_onnx(model: Any, rows: Array, kind: type) -> bytes:
    """Return what skl2onnx makes when asked in the usual way."""
    content: bytes = to_onnx(
        model, initial_types=[("input", kind([None, rows.shape[1]]))], options={id(model): {"zipmap": False}}
    ).SerializeToString()
    return content


def test_skl2onnx_s_own_forest_on_float64_passes_on_the_sample_and_fails_at_the_thresholds() -> None:
    rows, targets = two_classes()
    model = RandomForestClassifier(100, random_state=0).fit(rows, targets)
    binding = bound(model, rows)
    candidate = scorer_of(naive_onnx(model, rows, DoubleTensorType), binding)
    assert check_parity(binding.scorer, candidate, binding.rows, FLOAT32_TREES).held
    report = check_parity(binding.scorer, candidate, all_rows(model, binding), FLOAT32_TREES)
    assert not report.held
    assert "label: other on" in report.reason


@cache
def small_forest() -> tuple[RandomForestClassifier, Binding, bytes, Mapping[str, Any]]:
    rows, targets = two_classes(200)
    model = RandomForestClassifier(8, random_state=0).fit(rows, targets)
    binding = bound(model, rows)
    return model, binding, export(model, binding, STRATEGIES[0]), all_rows(model, binding)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), upwards=st.booleans())
def test_any_threshold_moved_by_one_float32_step_is_caught(data: Any, upwards: bool) -> None:
    _, binding, content, rows = small_forest()
    splits = read_tree_attribute(content, "nodes_splits").copy()
    place = data.draw(st.integers(0, len(splits) - 1))
    splits[place] = np.nextafter(np.float32(splits[place]), np.float32(np.inf if upwards else -np.inf))
    last_left, _ = split_points(read_tree_attribute(content, "nodes_splits"), np.float64, float32=True)
    moved, _ = split_points(splits, np.float64, float32=True)
    report = check_parity(
        binding.scorer, scorer_of(with_tree_attribute(content, "nodes_splits", splits), binding), rows
    )
    # Rounded to float32, a threshold may have moved to a place that parts the same values.
    assert report.held == np.array_equal(last_left, moved)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_leaf_changed_slightly_is_caught(data: Any) -> None:
    _, binding, content, rows = small_forest()
    weights = read_tree_attribute(content, "leaf_weights").copy()
    weights[data.draw(st.integers(0, len(weights) - 1))] += 1e-4
    altered = with_tree_attribute(content, "leaf_weights", weights)
    assert not check_parity(binding.scorer, scorer_of(altered, binding), rows).held


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeRegressor(random_state=0),
        RandomForestRegressor(5, random_state=0),
        GradientBoostingRegressor(n_estimators=5, random_state=0),
        HistGradientBoostingRegressor(max_iter=5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_split_and_every_leaf_is_tried_even_where_the_sample_does_not_reach(model: Any) -> None:
    rows, targets = amounts()
    binding = bound(model.fit(rows, targets), rows[:3])
    content, tried = export(model, binding, STRATEGIES[0]), all_rows(model, binding)
    for name, step in (("nodes_splits", 1e-3), ("leaf_weights", 1e-2)):
        values = read_tree_attribute(content, name)
        for place in np.random.default_rng(0).permutation(len(values))[:25]:
            changed = values.copy()
            changed[place] += step * max(1.0, abs(changed[place]))
            altered = scorer_of(with_tree_attribute(content, name, changed), binding)
            assert not check_parity(binding.scorer, altered, tried).held, (name, place)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["FP64", "FP32"])
@pytest.mark.parametrize("float32", [True, False], ids=["compares float32", "compares float64"])
@given(threshold=st.floats(-1e30, 1e30))
@example(threshold=0.0)
@example(threshold=1e-45)
@example(threshold=-1e-310)
@example(threshold=16_777_217.0)
def test_the_split_points_are_adjacent_and_go_apart(threshold: float, dtype: type, float32: bool) -> None:
    last_left, first_right = (side[0] for side in split_points(np.array([threshold]), dtype, float32=float32))
    assert np.nextafter(dtype(last_left), dtype(np.inf)) == first_right

    def seen(value: float) -> float:
        return float(np.float32(value)) if float32 else value

    assert seen(last_left) <= threshold < seen(first_right)


def test_integers_are_parted_between_two_of_them() -> None:
    last_left, first_right = split_points(np.array([2.5, -0.5, 3.0]), np.int32, float32=True)
    assert last_left.tolist() == [2.0, -1.0, 3.0]
    assert first_right.tolist() == [3.0, 0.0, 4.0]


def test_behind_a_scaler_the_jumps_are_found_from_outside() -> None:
    rows, targets = two_classes()
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3)).fit(rows, targets)
    binding = bound(model, rows)
    edges = number_of_rows(rows_at_edges(binding.scorer, binding.rows, binding.signature.inputs).accepted)
    found = perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs)["input"][edges:]
    left, right = np.split(found, 2)
    assert len(left) > 20
    differing = left != right
    assert (differing.sum(axis=1) == 1).all()
    assert (np.abs(left[differing] - right[differing]) <= np.spacing(np.abs(left[differing]))).all()
    probabilities = binding.scorer.score({"input": found})["probabilities"]
    assert (np.abs(np.diff(np.split(probabilities, 2), axis=0)).max(axis=(0, 2)) > 1e-6).all()


def test_a_continuous_model_has_no_jumps() -> None:
    rows, targets = two_classes()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, targets)
    binding = bound(model, rows)
    edges = rows_at_edges(binding.scorer, binding.rows, binding.signature.inputs).accepted
    more = perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs)
    assert number_of_rows(more) == number_of_rows(edges)


def test_edges_stand_in_the_rows_and_missing_values_only_where_the_sample_has_them() -> None:
    frame, failed = machines()
    frame.loc[::10, "torque"] = np.nan
    frame.loc[::11, "type"] = np.nan
    columns = ColumnTransformer([("type", OneHotEncoder(handle_unknown="ignore"), ["type"])], remainder="passthrough")
    model = make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(frame, failed)
    binding = bound(model, frame)
    edges = rows_at_edges(binding.scorer, binding.rows, binding.signature.inputs)
    assert edges.refused == {}
    accepted: Any = edges.accepted
    assert {None, "", "unseen é ☃ 🙂"} <= set(accepted["type"].tolist())
    assert {frame["speed"].min(), frame["speed"].max() + 1} <= set(accepted["speed"].tolist())
    assert np.isnan(accepted["torque"]).any()
    assert not np.isnan(accepted["air temperature [K]"]).any()


def test_what_the_estimator_refuses_the_candidate_must_refuse_too() -> None:
    frame, failed = machines()
    columns = ColumnTransformer([("type", OrdinalEncoder(), ["type"])], remainder="passthrough")
    proof = prove(make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(frame, failed), frame)
    assert proof.model is None
    assert "it answers a row with '' as 'type', which the estimator refuses" in proof.reason


def test_the_rows_are_the_same_every_time() -> None:
    model, binding, _, _ = small_forest()
    once, again = (perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs) for _ in range(2))
    assert once["input"].tobytes() == again["input"].tobytes()


def test_the_number_of_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, binding, _, rows = small_forest()
    monkeypatch.setattr(splits_module, "MAX_ROWS", 100)
    monkeypatch.setattr(splits_module, "_ROWS_PER_SPLIT", 1)
    fewer = perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs)
    edges = number_of_rows(rows_at_edges(binding.scorer, binding.rows, binding.signature.inputs).accepted)
    assert number_of_rows(fewer) == edges + 100 + 6 * 50
    assert number_of_rows(fewer) < number_of_rows(rows)


def test_a_forest_of_100_on_10_000_rows_is_checked_in_seconds() -> None:
    rows, targets = two_classes(10_000)
    model = RandomForestClassifier(100, random_state=0, max_depth=12).fit(rows, targets)
    begin = time.process_time()
    proof = prove(model, rows)
    assert proof.model is not None, proof.reason
    assert proof.report is not None
    assert proof.report.rows > 60_000
    assert time.process_time() - begin < 60  # usually about five


def test_ensembles_with_a_choice_of_columns_name_the_columns_of_the_input() -> None:
    rows, targets = two_classes()
    model = BaggingClassifier(max_features=2, n_estimators=5, random_state=0).fit(rows, targets)
    for tree, columns in zip(trees_of(model), model.estimators_features_, strict=True):
        assert set(tree.feature[tree.left >= 0]) <= set(columns)


def test_the_tolerances_are_those_that_were_promised() -> None:
    assert FLOAT64.relative == 1e-6
    assert FLOAT32_TREES.relative == 1e-5
