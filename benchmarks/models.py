# SPDX-License-Identifier: Apache-2.0
"""The models that all servers serve: fitted once in a run, saved with joblib for the peers and packed for Portside."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from predictors import pack

_FEATURES: Final = 6
_ROWS: Final = 10_000
_VERSION: Final = "1.0.0"


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model with rows to ask it.

    Attributes:
        name: Its name in URLs.
        title: What it is, for tables.
        estimator: The fitted scikit-learn object.
        input: The name of its input tensor.
        datatype: The tensor's datatype: FP64 with (rows, 6), or BYTES with (rows,).
        rows: Rows to ask.
        joblib: The file that the peers load.
        artifact: The folder that Portside serves.
    """

    name: str
    title: str
    estimator: Any
    input: str
    datatype: str
    rows: npt.NDArray[Any]
    joblib: Path
    artifact: Path

    def probabilities(self, count: int) -> npt.NDArray[np.float64]:
        """Return scikit-learn's own answer for the first rows, (count, classes)."""
        answer: npt.NDArray[np.float64] = self.estimator.predict_proba(self.rows[:count])
        return answer

    def labels(self, count: int) -> list[Any]:
        """Return scikit-learn's own labels for the first rows."""
        answer: list[Any] = self.estimator.predict(self.rows[:count]).tolist()
        return answer


def prepare_models(folder: Path, say: Callable[[str], None]) -> Mapping[str, Model]:
    """Fit, save and pack every model.

    Args:
        folder: Where the files go; must not exist.
        say: Is told what begins.
    """
    # Boosting stands for all models that scikit-learn itself must score, so it gets no ONNX copy.
    logging.getLogger("predictors").setLevel(logging.WARNING)
    forest = RandomForestClassifier(n_estimators=100, random_state=0)
    boosting = HistGradientBoostingClassifier(random_state=0)
    models = [
        _on_numbers("linear", "logistic regression", LogisticRegression(), folder, say),
        _on_numbers("forest", "random forest, 100 trees", forest, folder, say),
        _on_numbers("boosting", "histogram gradient boosting", boosting, folder, say, onnx=False),
        _spam(folder, say),
    ]
    return {model.name: model for model in models}


def _on_numbers(
    name: str, title: str, estimator: Any, folder: Path, say: Callable[[str], None], *, onnx: bool = True
) -> Model:
    say(f"fitting and packing {title}")
    rows, classes = make_classification(_ROWS, _FEATURES, n_informative=4, random_state=0)
    estimator.fit(rows[: _ROWS // 2], classes[: _ROWS // 2])
    file = _dump(estimator, name, folder)
    artifact = pack(estimator, rows, name=name, version=_VERSION, out=folder, onnx=onnx)
    return Model(name, title, estimator, "input", "FP64", rows, file, artifact)


def _spam(folder: Path, say: Callable[[str], None]) -> Model:
    from pipelines.use_cases import use_case

    say("fitting and packing the spam filter")
    trained = use_case("spam").train()
    texts = trained.sample["text"].to_numpy(dtype=object)
    file = _dump(trained.model, "spam", folder)
    artifact = pack(
        trained.model,
        trained.sample,
        name="spam",
        version=_VERSION,
        out=folder,
        tensors=trained.tensors,
        processing=trained.processing,
    )
    return Model("spam", "spam filter", trained.model, "text", "BYTES", texts, file, artifact)


def _dump(estimator: Any, name: str, folder: Path) -> Path:
    file = folder / f"{name}.joblib"
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, file)
    return file
