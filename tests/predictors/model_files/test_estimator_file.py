# SPDX-License-Identifier: Apache-2.0
"""An artifact's estimator as a file: which kind is written, what is refused, and the same bytes in every process."""

import json
import os
import pickle
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from predictors.errors import ArtifactError, PackingError
from predictors.model_files.estimator_file import (
    estimator_libraries,
    read_estimator,
    read_given_estimator,
    write_estimator,
)
from tests.predictors.model_files.fitted_models import (
    CLASSES,
    FOREIGN_MODELS,
    JOBLIB_MODELS,
    SKOPS_MODELS,
    TIMED,
    VALUES,
    X,
    answers,
    fit,
)

_DIGESTS = """
import hashlib, json, pathlib, sys, tempfile
from predictors.model_files.estimator_file import write_estimator
from predictors.model_files.pickle_file import dump_joblib
from tests.predictors.model_files.fitted_models import fit
folder = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1]))
digests = {}
for name in json.loads(sys.argv[2]):
    model = fit(name)[0]
    dump_joblib(model, folder / "other.joblib")
    for path in (write_estimator(model, folder), folder / "other.joblib"):
        digests[f"{name}: {path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(digests))
"""


class Threshold(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A user's own estimator, in a module that can be imported."""

    def fit(self, rows: Any, classes: Any) -> "Threshold":
        self.classes_ = np.unique(classes)
        self.threshold_ = float(rows[:, 0].mean())
        return self

    def predict(self, rows: Any) -> Any:
        return self.classes_[(rows[:, 0] > self.threshold_).astype(int)]


class Duck:
    """Quacks like an estimator, and is not derived from one."""

    def fit(self, rows: Any) -> "Duck":
        self.mean_ = float(rows.mean())
        return self

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), self.mean_)


class Untrained(TransformerMixin):  # type: ignore[misc]
    """Has no fit."""

    def transform(self, rows: Any) -> Any:
        return rows


@pytest.mark.parametrize("name", SKOPS_MODELS)
def test_what_skops_can_hold_is_written_as_skops_and_read_without_leave(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)

    path = write_estimator(model, tmp_path)

    assert path == tmp_path / "model.skops"
    assert answers(read_estimator(path, allow_pickle=False), rows) == answers(model, rows)


@pytest.mark.parametrize("name", [*JOBLIB_MODELS, *FOREIGN_MODELS])
def test_what_skops_cannot_hold_is_written_as_joblib_and_read_only_with_leave(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)

    path = write_estimator(model, tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["model.joblib"]
    with pytest.raises(ArtifactError, match="a pickle can run any code when it is loaded"):
        read_estimator(path, allow_pickle=False, allow_imports=("functools", "sklearn"))
    loaded = read_estimator(path, allow_pickle=True, allow_imports=("functools", "sklearn"))
    assert answers(loaded, rows) == answers(model, rows)


def test_the_same_model_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    names = json.dumps([name for name in [*SKOPS_MODELS, *JOBLIB_MODELS, *FOREIGN_MODELS] if name not in TIMED])
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _DIGESTS, str(tmp_path), names],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    one, other = (json.loads(run.communicate(timeout=120)[0]) for run in runs)

    assert len(one) > 80
    assert {name for name in one if one[name] != other[name]} == set()


def test_a_file_that_was_loaded_and_is_written_again_has_the_same_bytes(tmp_path: Path) -> None:
    joblib.dump(fit("columns in a forest")[0], tmp_path / "MODEL.joblib", compress=3)
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()

    one = write_estimator(read_given_estimator(tmp_path / "MODEL.joblib"), first)
    other = write_estimator(read_estimator(one, allow_pickle=False), second)

    assert one.name == other.name == "model.skops"
    assert one.read_bytes() == other.read_bytes()


def test_a_users_own_estimator_needs_its_package_allowed(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), Threshold()).fit(X, CLASSES)
    path = write_estimator(model, tmp_path)

    assert path.name == "model.joblib"
    with pytest.raises(ArtifactError, match=r"would import tests\..*Threshold, .* pass --allow-import tests$"):
        read_estimator(path, allow_pickle=True)
    with pytest.raises(ArtifactError, match=r"pass --allow-pickle --allow-import tests$"):
        read_given_estimator(path)
    loaded = read_estimator(path, allow_pickle=True, allow_imports=("tests",))
    assert answers(loaded, X) == answers(model, X)


def test_an_estimator_that_is_not_derived_from_scikit_learns_is_taken(tmp_path: Path) -> None:
    path = write_estimator(Duck().fit(X), tmp_path)

    loaded: Any = read_estimator(path, allow_pickle=True, allow_imports=("tests",))

    assert (loaded.predict(X) == X.mean()).all()


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle", ".model", ""])
def test_a_users_pickle_is_known_by_its_content(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"MODEL{suffix}"
    path.write_bytes(pickle.dumps(fit("ridge")[0]))

    assert answers(read_given_estimator(path), X) == answers(fit("ridge")[0], X)


@pytest.mark.parametrize("suffix", [".skops", ".joblib", ""])
def test_a_users_skops_file_is_known_by_its_content(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"MODEL{suffix}"
    skops.io.dump(fit("forest")[0], path)

    assert answers(read_given_estimator(path), X) == answers(fit("forest")[0], X)


_NO_ESTIMATORS = {
    "a dict": ({"model": LogisticRegression()}, "an object of type dict"),
    "a list": ([1, 2], "an object of type list"),
    "an array": (np.arange(3), r"an object of type numpy\.ndarray"),
    "a class": (LogisticRegression, "the class LogisticRegression"),
    "nothing": (None, "an object of type NoneType"),
    "something that cannot be fitted": (Untrained(), r"an object of type tests\..*Untrained"),
}


@pytest.mark.parametrize(("thing", "sentence"), _NO_ESTIMATORS.values(), ids=_NO_ESTIMATORS)
def test_what_is_no_estimator_is_refused(thing: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.joblib"
    joblib.dump(thing, path)

    with pytest.raises(ArtifactError, match=rf"^{path}: it is {sentence}, and not a fitted scikit-learn estimator"):
        read_given_estimator(path, allow_pickle=True, allow_imports=("tests",))
    with pytest.raises(PackingError, match=rf"^the model: it is {sentence}"):
        write_estimator(thing, tmp_path)


_UNFITTED = {
    "an estimator": LogisticRegression(),
    "a pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "a pipeline whose last step is not fitted": make_pipeline(StandardScaler().fit(X), LogisticRegression()),
    "a user's own": Threshold(),
    "a duck": Duck(),
}


@pytest.mark.parametrize("model", _UNFITTED.values(), ids=_UNFITTED)
def test_what_is_not_fitted_is_refused(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.joblib"
    joblib.dump(model, path)

    with pytest.raises(ArtifactError, match=rf"^{path}: this {type(model).__name__} is not fitted; call its fit"):
        read_given_estimator(path, allow_pickle=True, allow_imports=("tests",))
    with pytest.raises(PackingError, match=f"^the model: this {type(model).__name__} is not fitted"):
        write_estimator(model, tmp_path)


def test_an_estimator_that_needs_no_fit_is_taken_without(tmp_path: Path) -> None:
    path = write_estimator(FunctionTransformer(np.log1p), tmp_path)

    assert answers(read_estimator(path, allow_pickle=False), np.abs(X)) == [np.log1p(np.abs(X)).tobytes()]


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"PK\x03\x04 no zip", b"\x80\x04", b"\x89HDF\r\n", b"ONNX\x08\x07"]
)
@pytest.mark.parametrize("name", ["MODEL.joblib", "MODEL.skops", "MODEL.pkl"])
def test_what_is_no_model_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ArtifactError, match=rf"^{path}: it is (empty|damaged)"):
        read_given_estimator(path)
    with pytest.raises(ArtifactError, match=rf"^{path}: it is (empty|damaged)"):
        read_estimator(path, allow_pickle=True)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read: No such file"):
        read_given_estimator(tmp_path / "MODEL.joblib")
    with pytest.raises(ArtifactError, match="cannot be read: Is a directory"):
        read_given_estimator(tmp_path)


def test_the_libraries_of_a_model_are_named_with_their_versions() -> None:
    libraries = estimator_libraries(fit("columns in a forest")[0])

    expected = {name: version(name) for name in ("joblib", "numpy", "scikit-learn", "scipy", "skops")}
    assert libraries == {"python": platform.python_version(), **expected}


def test_the_package_of_a_users_own_type_is_among_the_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_models").mkdir()
    (tmp_path / "acme_models" / "__init__.py").write_text("def double(rows):\n    return rows * 2\n")
    metadata = tmp_path / "acme_tools-1.2.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tools\nVersion: 1.2.3\n")
    (metadata / "top_level.txt").write_text("acme_models\n")
    monkeypatch.syspath_prepend(tmp_path)
    import acme_models  # type: ignore[import-not-found]

    model = make_pipeline(FunctionTransformer(acme_models.double), LogisticRegression()).fit(X, VALUES > 0)

    assert estimator_libraries(model)["acme-tools"] == "1.2.3"
