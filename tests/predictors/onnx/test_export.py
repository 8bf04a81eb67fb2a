# SPDX-License-Identifier: Apache-2.0
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from predictors.errors import PackingError
from predictors.onnx.export import STRATEGIES, export_onnx, tolerance_of
from predictors.onnx.parity import FLOAT32_TREES, FLOAT64, check_parity
from predictors.onnx.perturbation import perturbed_rows
from predictors.rows import stack
from tests.predictors.onnx.proofs import (
    Array,
    amounts,
    bound,
    export,
    machines,
    prove,
    scorer_of,
    three_classes,
    two_classes,
)

FLOAT32_STRATEGY = STRATEGIES[1]

Data = Callable[[], tuple[Any, Array]]


def worded(data: tuple[Array, Array]) -> tuple[Array, Array]:
    rows, targets = data
    return rows, np.array(["été", "hiver", "printemps"])[targets]


def forest(trees: int = 20, **words: Any) -> RandomForestClassifier:
    return RandomForestClassifier(trees, random_state=0, **words)


def texts_and_labels() -> tuple[Array, Array]:
    words = np.random.default_rng(0).choice(["win", "cash", "hello", "mum", "Free!", "é", "dinner", "x"], (300, 6))
    return np.array([" ".join(row) for row in words], dtype=object), np.array(["win" in row for row in words.tolist()])


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(DecisionTreeClassifier(random_state=0), three_classes, id="tree"),
        pytest.param(DecisionTreeClassifier(max_depth=1), lambda: (np.ones((20, 2)), np.arange(20) % 2), id="one leaf"),
        pytest.param(forest(100), two_classes, id="forest of 100"),
        pytest.param(forest(max_depth=4), two_classes, id="forest of impure leaves"),
        pytest.param(forest(), three_classes, id="forest of three classes"),
        pytest.param(forest(max_depth=4), lambda: worded(three_classes()), id="forest of three words"),
        pytest.param(ExtraTreesClassifier(20, random_state=0), two_classes, id="extra trees"),
        pytest.param(DecisionTreeRegressor(random_state=0), amounts, id="regression tree"),
        pytest.param(RandomForestRegressor(20, random_state=0), amounts, id="regression forest"),
        pytest.param(GradientBoostingRegressor(n_estimators=30, random_state=0), amounts, id="boosted regression"),
        pytest.param(HistGradientBoostingRegressor(max_iter=30), amounts, id="histogram boosted regression"),
    ],
)
def test_trees_in_onnx_give_the_very_bits_of_scikit_learn(model: Any, data: Data) -> None:
    rows, targets = data()
    proof = prove(model.fit(rows, targets), rows)
    assert proof.model is not None, proof.reason
    assert proof.report is not None
    assert set(proof.report.max_relative_difference.values()) == {0.0}
    assert proof.reason.startswith("float64 arithmetic: ")


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(LogisticRegression(), two_classes, id="logistic regression"),
        pytest.param(LogisticRegression(), three_classes, id="logistic regression of three classes"),
        pytest.param(LogisticRegression(), lambda: worded(three_classes()), id="labels are words"),
        pytest.param(GradientBoostingClassifier(n_estimators=20), two_classes, id="boosting"),
        pytest.param(GradientBoostingClassifier(n_estimators=20, loss="exponential"), two_classes, id="adaboost loss"),
        pytest.param(GradientBoostingClassifier(n_estimators=10), three_classes, id="boosting of three classes"),
        pytest.param(GradientBoostingClassifier(n_estimators=10, init="zero"), two_classes, id="boosting from zero"),
        pytest.param(HistGradientBoostingClassifier(max_iter=20), two_classes, id="histogram boosting"),
        pytest.param(HistGradientBoostingClassifier(max_iter=10), three_classes, id="the same of three classes"),
        pytest.param(
            HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
            lambda: (amounts()[0], np.abs(amounts()[1])),
            id="a log link",
        ),
        pytest.param(Ridge(), amounts, id="ridge"),
        pytest.param(make_pipeline(StandardScaler(), LogisticRegression()), two_classes, id="scaler and linear"),
        pytest.param(make_pipeline(StandardScaler(), forest()), two_classes, id="scaler and forest"),
        pytest.param(make_pipeline(MinMaxScaler(), forest()), two_classes, id="other scaler and forest"),
        pytest.param(Pipeline([("only", forest())]), two_classes, id="pipeline of a forest alone"),
        pytest.param(PCA(3), two_classes, id="PCA"),
        pytest.param(StandardScaler(), two_classes, id="scaler"),
        pytest.param(KMeans(4, n_init=2, random_state=0), two_classes, id="k-means"),
    ],
)
def test_models_hold_in_float64(model: Any, data: Data) -> None:
    rows, targets = data()
    proof = prove(model.fit(rows, targets), rows)
    assert proof.model is not None, proof.reason
    assert proof.report is not None
    assert proof.report.tolerance == FLOAT64
    assert max(proof.report.max_relative_difference.values(), default=0.0) < 1e-9


@pytest.mark.parametrize("dtype", [bool, float, np.int8, np.uint16], ids=str)
def test_labels_keep_their_dtype(dtype: type) -> None:
    rows, targets = two_classes()
    for model in (LogisticRegression(), forest(5)):
        proof = prove(model.fit(rows, targets.astype(dtype)), rows)
        assert proof.model is not None, proof.reason


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64], ids=str)
def test_samples_of_other_dtypes_hold_too(dtype: type) -> None:
    rows, targets = two_classes()
    rows = (rows * 10).astype(dtype)
    for tensors in ("matrix", "columns"):
        proof = prove(forest(10).fit(rows, targets), rows, tensors)
        assert proof.model is not None, proof.reason


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ],
    ids=["unknown ones ignored", "unknown ones refused", "ordinal"],
)
@pytest.mark.parametrize("last", [forest(), LogisticRegression(max_iter=1_000)], ids=["forest", "linear"])
def test_mixed_columns_hold_as_one_tensor_each(encoder: Any, last: Any) -> None:
    frame, failed = machines()
    scaled = ("scaled", StandardScaler(), ["torque", "speed"])
    columns = ColumnTransformer([("type", encoder, ["type"]), scaled], remainder="passthrough")
    binding = bound(make_pipeline(columns, last).fit(frame, failed), frame)
    assert [spec.datatype for spec in binding.signature.inputs] == ["BYTES", "FP64", "INT64", "FP64"]
    proof = prove(make_pipeline(columns, last).fit(frame, failed), frame)
    assert proof.model is not None, proof.reason


@pytest.mark.parametrize("classes", [[False, True], ["ham", "spam"], [0, 1]], ids=str)
@pytest.mark.parametrize("positive", [0, 1], ids=["the first class counts", "the second class counts"])
def test_a_threshold_around_the_classifier_decides_the_label(classes: list[Any], positive: int) -> None:
    rows, targets = two_classes()
    labels = np.array(classes)[targets]
    for before, classifier in ((StandardScaler(), LogisticRegression()), ("passthrough", forest())):
        frozen = FrozenEstimator(classifier.fit(rows, labels))
        fixed = FixedThresholdClassifier(frozen, threshold=0.17, pos_label=classes[positive])
        proof = prove(make_pipeline(before, fixed).fit(rows, labels), rows)
        assert proof.model is not None, proof.reason
        assert proof.reason.startswith("float64")


def test_a_search_and_a_tuned_threshold_are_looked_into() -> None:
    rows, targets = two_classes()
    tuned = TunedThresholdClassifierCV(forest(5), thresholds=[0.1, 0.3, 0.8], cv=2).fit(rows, targets)
    search = GridSearchCV(Pipeline([("model", forest(5))]), {"model__max_depth": [2, 9]}, cv=2).fit(rows, targets)
    for model in (tuned, search):
        proof = prove(model, rows)
        assert proof.model is not None, proof.reason


def test_a_threshold_of_a_decision_function_is_left_to_the_estimator() -> None:
    rows, targets = two_classes()
    fixed = FixedThresholdClassifier(LogisticRegression(), threshold=0.3, response_method="decision_function")
    assert prove(fixed.fit(rows, targets), rows).model is None


@pytest.mark.parametrize(
    "polynomial",
    [
        PolynomialFeatures(2),
        PolynomialFeatures(3, include_bias=False),
        PolynomialFeatures(2, interaction_only=True, include_bias=False),
        PolynomialFeatures((2, 3), interaction_only=True),
        PolynomialFeatures(0),
    ],
    ids=["squares", "cubes", "products", "products of two and three", "ones"],
)
def test_polynomial_features_come_out_bit_for_bit(polynomial: PolynomialFeatures) -> None:
    rows, _ = amounts()
    proof = prove(polynomial.fit(rows), rows)
    assert proof.model is not None, proof.reason
    assert "output equal on" in proof.reason


def test_a_column_transformer_takes_its_columns_from_one_matrix() -> None:
    frame, failed = machines()
    frame = frame.drop(columns="type").astype(float)
    columns = ColumnTransformer([("scaled", StandardScaler(), ["torque"]), ("same", "passthrough", ["speed"])])
    proof = prove(make_pipeline(columns, forest()).fit(frame, failed), frame, "matrix")
    assert proof.model is not None, proof.reason


@pytest.mark.parametrize(
    "model",
    [
        forest(),
        HistGradientBoostingClassifier(max_iter=20),
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()),
        make_pipeline(SimpleImputer(), forest()),
    ],
    ids=["forest", "histogram boosting", "imputer and linear", "imputer and forest"],
)
def test_missing_numbers_hold(model: Any) -> None:
    rows, targets = two_classes()
    rows[::5, 0] = np.nan
    rows[1::7, 3] = np.nan
    proof = prove(model.fit(rows, targets), rows)
    assert proof.model is not None, proof.reason


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        pytest.param(DummyClassifier(), two_classes, "does not convert to ONNX: Unable to find a shape", id="dummy"),
        pytest.param(
            HistGradientBoostingRegressor(max_iter=5, categorical_features=[0]),
            lambda: (np.round(np.abs(amounts()[0])), amounts()[1]),
            "with categorical features has no ONNX form here",
            id="boosting on categories",
        ),
        pytest.param(
            GradientBoostingRegressor(n_estimators=3, init=Ridge()), amounts, "another estimator", id="started by ridge"
        ),
        pytest.param(
            make_pipeline(TfidfVectorizer(), LogisticRegression()), texts_and_labels, "splits texts", id="tf-idf"
        ),
        pytest.param(
            make_pipeline(TfidfVectorizer(analyzer="char_wb"), LogisticRegression()),
            texts_and_labels,
            "only tokenizer='word' is fully supported",
            id="tf-idf of letters",
        ),
    ],
)
def test_a_model_without_onnx_form_says_why(model: Any, data: Data, reason: str) -> None:
    rows, targets = data()
    proof = prove(model.fit(rows, targets), rows)
    assert proof.model is None
    assert reason in proof.reason


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(AdaBoostClassifier(n_estimators=5, random_state=0), two_classes, id="adaboost"),
        pytest.param(RandomForestRegressor(10), lambda: (amounts()[0], amounts()[0][:, :2]), id="two targets"),
        pytest.param(IsolationForest(n_estimators=10, random_state=0), two_classes, id="isolation forest"),
    ],
)
def test_trees_that_only_skl2onnx_converts_hold_in_float32(model: Any, data: Data) -> None:
    rows, targets = data()
    proof = prove(model.fit(rows, targets), rows)
    assert proof.model is not None, proof.reason
    assert proof.report is not None
    assert proof.report.tolerance == FLOAT32_TREES
    assert proof.reason.startswith("float32 arithmetic: ")


def test_missing_texts_are_left_to_the_estimator() -> None:
    frame, failed = machines()
    frame.loc[::9, "type"] = np.nan
    columns = ColumnTransformer([("type", OneHotEncoder(handle_unknown="ignore"), ["type"])], remainder="passthrough")
    proof = prove(make_pipeline(columns, forest()).fit(frame, failed), frame)
    assert proof.model is None
    assert "label: other on" in proof.reason


@pytest.mark.parametrize("strategy", STRATEGIES, ids=[strategy.name for strategy in STRATEGIES])
def test_the_file_is_valid_and_has_the_tensors_of_the_signature(strategy: Any) -> None:
    frame, failed = machines()
    columns = ColumnTransformer([("type", OneHotEncoder(), ["type"])], remainder="passthrough")
    model = make_pipeline(columns, forest()).fit(frame, failed)
    made = onnx.load_from_string(export(model, bound(model, frame), strategy))
    onnx.checker.check_model(made, full_check=True)
    assert [value.name for value in made.graph.input] == list(frame.columns)
    kinds = {value.name: value.type.tensor_type.elem_type for value in made.graph.output}
    assert kinds == {"label": onnx.TensorProto.INT64, "probabilities": onnx.TensorProto.DOUBLE}


def test_exporting_changes_nothing_in_the_model() -> None:
    rows, targets = two_classes()
    model = make_pipeline(StandardScaler(), forest()).fit(rows, targets)
    before = joblib.hash(model)
    prove(model, rows)
    assert joblib.hash(model) == before


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_model_gives_the_same_bytes_in_another_process(seed: str, tmp_path: Path) -> None:
    frame, failed = machines()
    columns = ColumnTransformer([("type", OneHotEncoder(), ["type"])], remainder=StandardScaler())
    model = make_pipeline(columns, forest()).fit(frame, failed)
    joblib.dump((model, bound(model, frame)), tmp_path / "model.joblib")
    program = (
        "import hashlib, joblib, sys\n"
        "from tests.predictors.onnx.proofs import export\n"
        "from predictors.onnx.export import STRATEGIES\n"
        "for strategy in STRATEGIES:\n"
        "    print(hashlib.sha256(export(*joblib.load(sys.argv[1]), strategy)).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model.joblib")],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
        check=True,
        capture_output=True,
        text=True,
    )
    here = [hashlib.sha256(export(model, bound(model, frame), strategy)).hexdigest() for strategy in STRATEGIES]
    assert done.stdout.split() == here


def test_a_forest_in_float32_holds_within_its_own_tolerance() -> None:
    rows, targets = two_classes()
    model = forest(100).fit(rows, targets)
    binding = bound(model, rows)
    content = export(model, binding, FLOAT32_STRATEGY)
    rows_and_more = stack([binding.rows, perturbed_rows(model, binding.scorer, binding.rows, binding.signature.inputs)])
    report = check_parity(binding.scorer, scorer_of(content, binding), rows_and_more, tolerance_of(content))
    assert report.held, report.reason
    assert report.tolerance == FLOAT32_TREES
    assert not check_parity(binding.scorer, scorer_of(content, binding), rows_and_more, FLOAT64).held


def test_without_skl2onnx_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets)
    binding = bound(model, rows)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(PackingError, match=r"install portside\[pipelines\]"):
        export_onnx(model, binding.signature.inputs, binding.signature.outputs, binding.layout)
    assert "install portside[pipelines]" in prove(model, rows).reason
