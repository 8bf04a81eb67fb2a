# SPDX-License-Identifier: Apache-2.0
"""Linear models are served without scikit-learn, with the bits it would give; whatever else is declined."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from pipelines.use_cases import TrainedModel
from predictors import ArtifactError, InvalidRequestError, LoadPolicy, ServedModel, load, open_artifact, pack
from predictors.artifact import sha256_of
from predictors.binding import bind
from predictors.description import describe
from predictors.linear.proof import prove_linear
from predictors.rows import number_of_rows, take
from predictors.sample import model_rows
from predictors.scorers.estimator import EstimatorScorer
from predictors.signature import Tensors

IRIS_X, IRIS_Y = load_iris(return_X_y=True, as_frame=True)
SPECIES = np.array(["setosa", "versicolor", "virginica"])[IRIS_Y]
CANCER_X, CANCER_Y = load_breast_cancer(return_X_y=True, as_frame=True)
CANCER_X = CANCER_X.iloc[:, :6]
MATRIX = CANCER_X.to_numpy()
DIABETES_X, DIABETES_Y = load_diabetes(return_X_y=True)
MIXED = pd.DataFrame(
    {"whole": range(60), "real": np.linspace(-1, 3, 60), "yes": [True, False, False] * 20, "small": np.arange(60) % 7}
).astype({"small": "uint8"})
BOUGHT = np.arange(60) % 5 < 2
TEXTS = [
    "Win a prize now! Call 09061",
    "see you at noon, at the caf\u00e9",
    "FREE cash cash prize",
    "lunch at noon? I don't know",
    "ok",
] * 4
SPAM = ["spam", "ham", "spam", "ham", "ham"] * 4
TOPICS = [2, 0, 2, 1, 0] * 4


def logistic(**options: Any) -> LogisticRegression:
    return LogisticRegression(max_iter=5_000, **options)


def scaled(*scalers: Any) -> Any:
    return make_pipeline(*scalers, logistic()).fit(CANCER_X, CANCER_Y)


def words(**options: Any) -> Any:
    return make_pipeline(TfidfVectorizer(**options), logistic()).fit(TEXTS, SPAM)


def topics(**options: Any) -> Any:
    return make_pipeline(TfidfVectorizer(**options), logistic()).fit(TEXTS, TOPICS)


def frozen_at(threshold: float, **options: Any) -> Any:
    return FixedThresholdClassifier(logistic(), threshold=threshold, **options).fit(CANCER_X, CANCER_Y)


NUMBERS: dict[str, tuple[Any, Any]] = {
    "two classes of a matrix": (logistic().fit(MATRIX, CANCER_Y), MATRIX),
    "two classes of a frame": (logistic().fit(CANCER_X, CANCER_Y), CANCER_X),
    "three classes": (logistic().fit(IRIS_X, IRIS_Y), IRIS_X),
    "three classes with text labels": (logistic().fit(IRIS_X, SPECIES), IRIS_X),
    "standardised": (scaled(StandardScaler()), CANCER_X),
    "scaled to a range and clipped": (scaled(MinMaxScaler(clip=True)), CANCER_X),
    "scaled twice": (scaled(RobustScaler(), "passthrough", MaxAbsScaler()), CANCER_X),
    "found by a search": (GridSearchCV(logistic(), {"C": [0.1, 1]}, cv=2).fit(MATRIX, CANCER_Y), MATRIX),
    "a threshold": (frozen_at(0.3), CANCER_X),
    "a threshold for the first class": (frozen_at(0.7, pos_label=0), CANCER_X),
    "a tuned threshold": (TunedThresholdClassifierCV(logistic(), cv=2).fit(MATRIX, CANCER_Y), MATRIX),
    "a threshold on scores": (
        FixedThresholdClassifier(LinearSVC(), threshold=-0.2, pos_label=0).fit(MATRIX, CANCER_Y),
        MATRIX,
    ),
    "one against the rest": (SGDClassifier(loss="log_loss", random_state=0).fit(IRIS_X, IRIS_Y), IRIS_X),
    "a perceptron": (Perceptron().fit(IRIS_X, IRIS_Y), IRIS_X),
    "a ridge classifier": (RidgeClassifier().fit(MATRIX, CANCER_Y), MATRIX),
    "a support vector classifier": (LinearSVC(max_iter=20_000).fit(IRIS_X, SPECIES), IRIS_X),
    "least squares": (LinearRegression().fit(DIABETES_X, DIABETES_Y), DIABETES_X),
    "sparse coefficients": (Lasso(0.1).fit(DIABETES_X, DIABETES_Y), DIABETES_X),
    "an elastic net": (ElasticNet(0.1).fit(DIABETES_X, DIABETES_Y), DIABETES_X),
    "stochastic gradient descent": (
        SGDRegressor(tol=None, max_iter=50, random_state=0).fit(DIABETES_X, DIABETES_Y),
        DIABETES_X,
    ),
    "support vector regression": (LinearSVR(max_iter=10_000).fit(DIABETES_X, DIABETES_Y), DIABETES_X),
    "two targets": (MultiTaskLasso().fit(DIABETES_X, np.c_[DIABETES_Y, -DIABETES_Y]), DIABETES_X),
    "one target in a column": (Ridge().fit(DIABETES_X, DIABETES_Y.reshape(-1, 1)), DIABETES_X),
    "columns of several types": (make_pipeline(StandardScaler(), logistic()).fit(MIXED, BOUGHT), MIXED),
    "float32 in, float64 inside": (Ridge().fit(IRIS_X, IRIS_Y), IRIS_X.astype("float32")),
}

TEXT: dict[str, tuple[Any, Any]] = {
    "words": (words(), TEXTS),
    "words of three classes": (topics(), TEXTS),
    "pairs of words": (words(ngram_range=(1, 2), sublinear_tf=True), TEXTS),
    "runs of two and three words": (topics(ngram_range=(2, 3)), TEXTS),
    "characters": (words(analyzer="char", ngram_range=(1, 3)), TEXTS),
    "characters within words": (words(analyzer="char_wb", ngram_range=(2, 7)), TEXTS),
    "accents removed": (words(strip_accents="unicode"), TEXTS),
    "accents removed to ASCII": (words(strip_accents="ascii", lowercase=False), TEXTS),
    "stop words": (words(stop_words=["at", "the"], ngram_range=(1, 2)), TEXTS),
    "tokens that may be empty or hold spaces": (words(token_pattern=r"\w* ?\w*", ngram_range=(1, 2)), TEXTS),
    "one group of the pattern": (words(token_pattern=r"(\w)\w*"), TEXTS),
    "l1 norm": (words(norm="l1"), TEXTS),
    "no norm and no idf": (words(norm=None, use_idf=False), TEXTS),
    "each term once": (words(binary=True, sublinear_tf=True, smooth_idf=False), TEXTS),
    "counts": (make_pipeline(CountVectorizer(), LinearSVC()).fit(TEXTS, SPAM), TEXTS),
    "counts weighed later": (make_pipeline(CountVectorizer(), TfidfTransformer(), logistic()).fit(TEXTS, SPAM), TEXTS),
    "a regression": (make_pipeline(CountVectorizer(), Ridge()).fit(TEXTS, np.arange(20.0)), TEXTS),
}


def served_by(
    model: BaseEstimator, sample: Any, out: Path, **options: Any
) -> tuple[ServedModel, EstimatorScorer, Tensors]:
    """Pack a model, and return it loaded, the scorer of its estimator, and the sample as tensors."""
    tensors = options.setdefault("tensors", "auto")
    served = load(pack(model, sample, name="m", version="1", out=out, onnx=False, **options))
    bound = bind(model, model_rows(sample, model, None), tensors)
    return served, bound.scorer, bound.rows


def assert_same_bits(found: Tensors, expected: Tensors) -> None:
    assert list(found) == list(expected)
    for name, want in expected.items():
        got = found[name]
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        assert got.tolist() == want.tolist() if want.dtype == object else got.tobytes() == want.tobytes()


@pytest.mark.parametrize(("model", "sample"), NUMBERS.values(), ids=NUMBERS)
def test_a_model_of_numbers_is_served_bit_for_bit(model: BaseEstimator, sample: Any, tmp_path: Path) -> None:
    served, estimator, rows = served_by(model, sample, tmp_path)
    assert served.scorer.name == "linear"
    for size in (1, 2, 7, number_of_rows(rows)):
        batch = take(rows, slice(size))
        assert_same_bits(served.predict(batch), estimator.score(batch))


@pytest.mark.parametrize(("model", "sample"), TEXT.values(), ids=TEXT)
def test_a_model_of_texts_is_served_bit_for_bit(model: BaseEstimator, sample: Any, tmp_path: Path) -> None:
    served, estimator, rows = served_by(model, sample, tmp_path)
    assert served.scorer.name == "linear_text"
    for size in (1, 2, number_of_rows(rows)):
        batch = take(rows, slice(size))
        assert_same_bits(served.predict(batch), estimator.score(batch))


def test_one_tensor_for_each_column_is_served_bit_for_bit(tmp_path: Path) -> None:
    served, estimator, rows = served_by(scaled(StandardScaler()), CANCER_X, tmp_path, tensors="columns")
    assert served.scorer.name == "linear"
    for size in (1, 50):
        batch = take(rows, slice(size))
        assert_same_bits(served.predict(batch), estimator.score(batch))


DECLINED: dict[str, tuple[Any, Any, str]] = {
    "a forest": (RandomForestClassifier(3).fit(IRIS_X, IRIS_Y), IRIS_X, "RandomForestClassifier is not one of"),
    "a link function": (PoissonRegressor().fit(DIABETES_X, DIABETES_Y), DIABETES_X, "PoissonRegressor is not one of"),
    "powers of columns": (
        scaled(StandardScaler(), PolynomialFeatures()),
        CANCER_X,
        "PolynomialFeatures is not one of the scalers",
    ),
    "float32 inside": (
        logistic().fit(IRIS_X.astype("float32"), IRIS_Y),
        IRIS_X.astype("float32"),
        "compute in float64",
    ),
    "another loss": (
        SGDClassifier(loss="modified_huber", tol=None, max_iter=20, random_state=0).fit(MATRIX, CANCER_Y),
        MATRIX,
        "modified Huber",
    ),
    "hashed words": (make_pipeline(HashingVectorizer(), logistic()).fit(TEXTS, SPAM), TEXTS, "HashingVectorizer"),
    "a tokenizer of its own": (words(tokenizer=str.split, token_pattern=None), TEXTS, "calls a tokenizer of its own"),
}


@pytest.mark.parametrize(("model", "sample", "reason"), DECLINED.values(), ids=DECLINED)
def test_what_is_declined_is_told_and_served_by_its_estimator(
    model: BaseEstimator, sample: Any, reason: str, tmp_path: Path
) -> None:
    folder = pack(model, sample, name="m", version="1", out=tmp_path, onnx=False)
    entry = open_artifact(folder).manifest.linear
    assert entry is not None
    assert not entry.held
    assert reason in entry.reason
    assert not (folder / "linear.json").exists()
    policy = LoadPolicy(allow_pickle=True, allow_imports=("builtins.getattr",))
    assert load(folder, policy).scorer.name == "estimator"


def test_a_model_that_answers_otherwise_is_not_proven() -> None:
    bound = bind(logistic(C=0.5).fit(IRIS_X, IRIS_Y), IRIS_X, "auto")
    other = logistic().fit(IRIS_X, IRIS_Y)
    proof = prove_linear(other, bound.scorer, bound.signature, bound.layout, bound.rows)
    assert proof.content is None
    assert proof.reason == "probabilities: not the same bits"


NUMBER = st.floats(allow_infinity=False, allow_nan=False)
CANCER = bind(scaled(StandardScaler()), CANCER_X, "auto")
IRIS = bind(logistic().fit(IRIS_X, IRIS_Y), IRIS_X, "auto")
PAIRS = bind(TEXT["pairs of words"][0], model_rows(TEXTS, TEXT["pairs of words"][0], None), "auto")
LETTERS = bind(TEXT["characters within words"][0], model_rows(TEXTS, TEXT["words"][0], None), "auto")


def loaded(name: str, out: Path) -> ServedModel:
    model, sample = {**NUMBERS, **TEXT}[name]
    return load(pack(model, sample, name=name.replace(" ", "-"), version="1", out=out, onnx=False))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    out = tmp_path_factory.mktemp("models")
    names = ("standardised", "three classes", "pairs of words", "characters within words")
    return {name: loaded(name, out) for name in names}


def assert_answered_alike(served: ServedModel, estimator: EstimatorScorer, rows: Tensors) -> None:
    with np.errstate(all="ignore"):  # numbers may be as large as they come
        try:
            expected = estimator.score(rows)
        except ValueError:
            with pytest.raises(InvalidRequestError):
                served.predict(rows)
        else:
            assert_same_bits(served.predict(rows), expected)


@given(rows=arrays(np.float64, st.tuples(st.integers(1, 4), st.just(6)), elements=NUMBER))
def test_any_numbers_are_answered_alike_by_two_classes(models: dict[str, ServedModel], rows: Any) -> None:
    assert_answered_alike(models["standardised"], CANCER.scorer, {"input": rows})


@given(rows=arrays(np.float64, st.tuples(st.integers(1, 4), st.just(4)), elements=NUMBER))
def test_any_numbers_are_answered_alike_by_three_classes(models: dict[str, ServedModel], rows: Any) -> None:
    assert_answered_alike(models["three classes"], IRIS.scorer, {"input": rows})


KNOWN = st.sampled_from([word for text in TEXTS for word in text.split()])
ANY_TEXT = st.one_of(st.text(max_size=200), st.lists(st.one_of(KNOWN, st.text(max_size=9)), max_size=60).map(" ".join))


@pytest.mark.parametrize(
    ("name", "estimator"),
    [("pairs of words", PAIRS.scorer), ("characters within words", LETTERS.scorer)],
    ids=["pairs of words", "characters within words"],
)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_any_texts_are_answered_alike(
    models: dict[str, ServedModel], name: str, estimator: EstimatorScorer, texts: list[str]
) -> None:
    assert_answered_alike(models[name], estimator, {"text": np.array(texts, dtype=object)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("name", ["standardised", "three classes"])
def test_numbers_that_are_missing_or_infinite_are_refused(
    models: dict[str, ServedModel], name: str, value: float
) -> None:
    width = len(models[name].signature.inputs[0].columns)
    for rows in (np.zeros((1, width)), np.zeros((3, width))):
        rows[-1, 1] = value
        with pytest.raises(InvalidRequestError):
            models[name].predict({"input": rows})


def test_the_spam_filter_is_served_without_scikit_learn(trained_spam: TrainedModel, tmp_path: Path) -> None:
    folder = pack(
        trained_spam.model,
        trained_spam.sample,
        name="spam",
        version="1",
        out=tmp_path,
        tensors=trained_spam.tensors,
        processing=trained_spam.processing,
        onnx=False,
    )
    program = """
import sys
from pathlib import Path
from predictors.loading import load
model = load(Path(sys.argv[1]))
body = b'{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["free prize! call 09061701461"]}]}'
model.answer(body)
print(model.scorer.name, sorted({"joblib", "onnxruntime", "pandas", "scipy", "sklearn", "skops"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "linear_text []\n"


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    return pack(logistic().fit(IRIS_X, IRIS_Y), IRIS_X, name="iris", version="1", out=tmp_path)


def test_the_file_is_kept_beside_the_export_and_serves_first(iris: Path) -> None:
    assert {"linear.json", "model.onnx", "model.skops"} <= {path.name for path in iris.iterdir()}
    told = describe(open_artifact(iris)).partition("scorers\n")[2].splitlines()
    assert [line.split(":")[0].strip() for line in told] == ["linear (serves)", "onnx", "estimator"]


def test_an_artifact_packed_before_there_was_one_is_served_as_before(iris: Path) -> None:
    document = orjson.loads((iris / "artifact.json").read_bytes())
    del document["linear"], document["files"]["linear.json"]
    (iris / "artifact.json").write_bytes(orjson.dumps(document))
    (iris / "linear.json").unlink()
    assert load(iris).scorer.name == "onnx"


def _drop(part: dict[str, Any], key: str) -> None:
    del part[key]


BROKEN: dict[str, Any] = {
    "a coefficient too few": lambda document: document["linear"]["coefficients"][0].pop(),
    "an intercept too many": lambda document: document["linear"]["intercepts"].append(0.0),
    "a text for a number": lambda document: document["linear"].update(intercepts=["0", "0", "0"]),
    "no number": lambda document: document["linear"].update(intercepts=[None, 0.0, 0.0]),
    "labels of another type": lambda document: document["task"].update(labels=["a", "b", "c"]),
    "no such dtype": lambda document: document["task"].update(labels_dtype="nothing"),
    "another task": lambda document: document.update(task={"task": "regression", "code": "import os"}),
    "no task": lambda document: _drop(document, "task"),
    "an unknown step": lambda document: document.update(steps=[{"operation": "eval", "values": [0.0] * 4}]),
    "coefficients for other columns": lambda document: [row.append(0.0) for row in document["linear"]["coefficients"]],
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_file_that_does_not_fit_is_refused_by_name(iris: Path, change: Any) -> None:
    path = iris / "linear.json"
    content = orjson.loads(path.read_bytes())
    change(content)
    path.write_bytes(orjson.dumps(content))
    manifest = orjson.loads((iris / "artifact.json").read_bytes())
    manifest["files"]["linear.json"] = sha256_of(path)
    (iris / "artifact.json").write_bytes(orjson.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"linear\.json"):
        load(iris)
