# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline at which a test can hold a server: while a file is there, loading or scoring waits."""

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

#: What a server needs to load a model that has such a step.
LOADS_GATES: Final = {"PREDICTOR_ALLOW_PICKLE": "true", "PREDICTOR_ALLOW_IMPORTS": __name__}
#: A row that begins with this is of a kind that the step was not fitted on.
REFUSED: Final = 135792468.0
#: A row that begins with this meets a fault in the step.
BROKEN: Final = 246813579.0
_LONGEST: Final = 120.0


class Gate(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Passes rows on as they are.

    Attributes:
        folder: While it holds a file ``scoring``, rows wait; while it holds ``loading``, the step itself does.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _wait(Path(self.folder, "loading"))

    def fit(self, X: Any, y: Any = None) -> "Gate":
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> Any:
        _wait(Path(self.folder, "scoring"))
        if (X[:, 0] == REFUSED).any():
            raise ValueError(f"found unknown values {X.tolist()}")
        if (X[:, 0] == BROKEN).any():
            raise RuntimeError(f"cannot stand {X.tolist()}")
        return X


def _wait(file: Path) -> None:
    end = time.monotonic() + _LONGEST
    while file.exists() and time.monotonic() < end:
        time.sleep(0.002)
