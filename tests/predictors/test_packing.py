# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from predictors import ArtifactError, LoadPolicy, PackingError, load, open_artifact, pack
from predictors.golden import request_document
from predictors.model_inputs import disassemble
from tests.predictors import transformers

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data, IRIS.target
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
TEXTS = pd.Series(["win a prize now", "see you at noon", "free cash prize", "lunch at noon?"] * 5, name="message")
SPAM = ["spam", "ham", "spam", "ham"] * 5
MIXED = pd.DataFrame(
    {
        "city": ["Oslo", "Bergen", "Oslo", None] * 10,
        "age": [31, 45, 28, 60] * 10,
        "income": [1.5, None, 3.25, 4.0] * 10,
        "member": [True, False, False, True] * 10,
    }
)
DATES = pd.DataFrame({"d": pd.to_datetime(["2026-01-01"])})
BOUGHT = np.array([1, 0, 0, 1] * 10)


def mixed_pipeline() -> Pipeline:
    city = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore"))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("city", city, ["city"]), ("numbers", numbers, ["age", "income", "member"])])
    return make_pipeline(columns, LogisticRegression()).fit(MIXED, BOUGHT)


DIABETES_X, DIABETES_Y = load_diabetes(return_X_y=True)
MODELS: dict[str, tuple[Any, Any, list[str]]] = {
    "a classifier of a matrix": (
        LogisticRegression(max_iter=500).fit(X.to_numpy(), Y),
        X.to_numpy(),
        ["label", "probabilities"],
    ),
    "a classifier of a frame with text labels": (
        LogisticRegression(max_iter=500).fit(X, NAMES),
        X,
        ["label", "probabilities"],
    ),
    "a forest": (RandomForestClassifier(10, random_state=0).fit(X, Y), X, ["label", "probabilities"]),
    "boosting": (HistGradientBoostingClassifier(max_iter=5).fit(X, Y), X, ["label", "probabilities"]),
    "a classifier without probabilities": (LinearSVC(max_iter=5000).fit(X, Y), X, ["label"]),
    "a regressor": (Ridge().fit(DIABETES_X, DIABETES_Y), DIABETES_X, ["prediction"]),
    "a regressor of two targets": (LinearRegression().fit(X, np.c_[Y, Y * 2.0]), X, ["prediction"]),
    "a classifier of two targets": (
        MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(X, np.c_[Y, Y > 1]),
        X,
        ["label", "probabilities_0", "probabilities_1"],
    ),
    "a transformer": (make_pipeline(StandardScaler(), PCA(2)).fit(X), X, ["output"]),
    "a clusterer": (KMeans(3, n_init=1, random_state=0).fit(X), X, ["label"]),
    "an outlier detector": (IsolationForest(n_estimators=10, random_state=0).fit(X), X, ["label"]),
    "a text pipeline": (
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, SPAM),
        TEXTS,
        ["label", "probabilities"],
    ),
    "mixed columns with missing values": (mixed_pipeline(), MIXED, ["label", "probabilities"]),
    "float32": (
        LogisticRegression(max_iter=500).fit(X.astype("float32"), Y),
        X.astype("float32"),
        ["label", "probabilities"],
    ),
}


@pytest.mark.parametrize(("model", "sample", "outputs"), MODELS.values(), ids=MODELS)
def test_any_fitted_estimator_answers_as_it_does_in_python(
    model: BaseEstimator, sample: Any, outputs: list[str], tmp_path: Path
) -> None:
    folder = pack(model, sample, name="m", version="1", out=tmp_path)
    served = load(folder)
    manifest = open_artifact(folder).manifest
    frame = sample if isinstance(sample, pd.DataFrame) else pd.DataFrame(sample, columns=None)
    if isinstance(sample, np.ndarray):
        frame.columns = [f"x{place}" for place in range(sample.shape[1])]
    rows = disassemble(frame, manifest.signature.inputs)
    answer = orjson.loads(served.answer(orjson.dumps(request_document(rows, manifest.signature.inputs))).body)

    assert [output["name"] for output in answer["outputs"]] == outputs
    got = {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer["outputs"]}
    main = next(iter(got.values()))
    expected = model.predict(sample) if hasattr(model, "predict") else model.transform(sample)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(main, expected, rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_array_equal(main, expected)


@pytest.mark.parametrize(
    ("model", "sample"), [MODELS[name][:2] for name in ("a forest", "a text pipeline")], ids=["forest", "text"]
)
def test_the_same_inputs_give_the_same_bytes(model: BaseEstimator, sample: Any, tmp_path: Path) -> None:
    one = pack(model, sample, name="m", version="1", out=tmp_path / "one")
    other = pack(model, sample, name="m", version="1", out=tmp_path / "other")
    assert (one / "artifact.json").read_bytes() == (other / "artifact.json").read_bytes()


def test_numbers_become_one_matrix_and_mixed_columns_one_tensor_each(tmp_path: Path) -> None:
    matrix = load(pack(MODELS["a forest"][0], X, name="a", version="1", out=tmp_path)).signature
    columns = load(pack(mixed_pipeline(), MIXED, name="b", version="1", out=tmp_path)).signature
    asked = load(pack(MODELS["a forest"][0], X, name="c", version="1", out=tmp_path, tensors="columns")).signature
    assert [(spec.name, spec.datatype, spec.shape) for spec in matrix.inputs] == [("input", "FP64", (-1, 4))]
    assert [(spec.name, spec.datatype) for spec in columns.inputs] == [
        ("city", "BYTES"),
        ("age", "INT64"),
        ("income", "FP64"),
        ("member", "BOOL"),
    ]
    assert [spec.shape for spec in asked.inputs] == [(-1,)] * 4


def test_ranges_and_categories_come_from_the_sample(tmp_path: Path) -> None:
    city, age, income, _ = load(pack(mixed_pipeline(), MIXED, name="b", version="1", out=tmp_path)).signature.inputs
    assert city.columns[0].categories == ("Bergen", "Oslo")
    assert (age.columns[0].minimum, age.columns[0].maximum) == (28.0, 60.0)
    assert [spec.columns[0].missing for spec in (city, age, income)] == [True, False, True]


def test_golden_requests_have_the_edges_of_every_kind_of_column(tmp_path: Path) -> None:
    folder = pack(mixed_pipeline(), MIXED, name="b", version="1", out=tmp_path)
    about = {entry["about"] for entry in orjson.loads((folder / "golden.json").read_bytes())["requests"]}
    assert about >= {
        "every number at its minimum",
        "every number at its maximum",
        "every number halfway between two float32",
        "every value missing that may be",
        "an unseen category in every column of texts",
        "empty texts",
        "texts outside ASCII",
    }


def test_what_the_model_refuses_when_packed_it_must_refuse_when_loaded(tmp_path: Path) -> None:
    frame = pd.DataFrame({"city": ["Oslo", "Bergen"] * 10, "age": [1.0, 2.0] * 10})
    strict = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(strict, LogisticRegression()).fit(frame, [0, 1] * 10)
    folder = pack(model, frame, name="m", version="1", out=tmp_path)
    entries = orjson.loads((folder / "golden.json").read_bytes())["requests"]
    unseen = next(entry for entry in entries if entry["about"].startswith("an unseen category"))
    assert unseen["outputs"] is None
    assert load(folder).name == "m"


def test_each_model_is_served_by_the_fastest_scorer_that_is_proven_equal(tmp_path: Path) -> None:
    forest = load(pack(MODELS["a forest"][0], X, name="a", version="1", out=tmp_path))
    text = load(pack(MODELS["a text pipeline"][0], TEXTS, name="b", version="1", out=tmp_path))
    linear = load(pack(MODELS["a regressor"][0], DIABETES_X, name="c", version="1", out=tmp_path))
    assert (forest.scorer.name, text.scorer.name, linear.scorer.name) == ("onnx", "linear_text", "linear")


def test_a_model_with_types_of_its_own_needs_leave_to_be_loaded(tmp_path: Path) -> None:
    model = make_pipeline(transformers.Clip(0.0, 3.0), LogisticRegression(max_iter=500)).fit(X, Y)
    folder = pack(model, X, name="m", version="1", out=tmp_path, onnx=False)
    with pytest.raises(ArtifactError, match=r"model\.joblib.*--allow-pickle"):
        load(folder)
    with pytest.raises(ArtifactError, match=r"tests\.predictors\.transformers\.Clip.*--allow-import"):
        load(folder, LoadPolicy(allow_pickle=True))
    policy = LoadPolicy(allow_pickle=True, allow_imports=("tests.predictors.transformers",))
    assert load(folder, policy).scorer.name == "estimator"


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    first = pack(MODELS["a forest"][0], X, name="m", version="1", out=tmp_path)
    assert pack(MODELS["a forest"][0], X, name="m", version="1", out=tmp_path) == first
    with pytest.raises(PackingError, match="exists with another content"):
        pack(MODELS["a regressor"][0], DIABETES_X, name="m", version="1", out=tmp_path)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"]


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "an unfitted model": (LogisticRegression(), X, {}, "not fitted"),
    "no rows": (MODELS["a forest"][0], X.iloc[:0], {}, "has no rows"),
    "a missing column": (MODELS["a forest"][0], X.iloc[:, :3], {}, "columns that the sample lacks"),
    "a column too many": (MODELS["a classifier of a matrix"][0], X.assign(y=Y).to_numpy(), {}, "--target"),
    "an unknown target": (MODELS["a forest"][0], X, {"target": "nope"}, 'no column "nope"'),
    "a name with a slash": (MODELS["a forest"][0], X, {"name": "a/b"}, "the name"),
    "an empty version": (MODELS["a forest"][0], X, {"version": ""}, "the version"),
    "texts in a matrix": (mixed_pipeline(), MIXED, {"tensors": "matrix"}, "do not fit in one matrix"),
    "an array of three axes": (MODELS["a forest"][0], np.zeros((2, 2, 2)), {}, "shape"),
    "a column of dates": (
        FunctionTransformer().fit(DATES),
        DATES,
        {},
        '"d" holds',
    ),
    "texts for a model of numbers": (
        LinearRegression().fit([[1.0]], [1.0]),
        pd.DataFrame({"a": ["x", "y"]}),
        {},
        "refuses the sample",
    ),
}


@pytest.mark.parametrize(("model", "sample", "words", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_packed_is_refused_by_a_sentence(
    model: BaseEstimator, sample: Any, words: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(PackingError, match=told):
        pack(model, sample, **{"name": "m", "version": "1", "out": tmp_path, **words})
    assert not list(tmp_path.iterdir())
