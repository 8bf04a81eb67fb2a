# SPDX-License-Identifier: Apache-2.0
"""The versions of the model ``faulty`` in the object store: good ones, and one for each way of being worse."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_iris

import predictors
from tests.e2e.faulty_models.estimators import Crashing, Failing, Greedy, Nearest, Shifted, Slow
from tests.e2e.object_store import ROOT, forget, upload

IMAGE: Final = "portside/faulty-models:0.1.0"

NAME: Final = "faulty"
OLDER, FIRST, BETTER = "0.9.0", "1.0.0", "1.1.0"
SLOW, FAILING, SHIFTED, CRASHING, UNREADY, UNLOADABLE = ("1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0")

#: What the load asks: rows of one class, so that it shows when they are taken for another.
ROWS: Final[Mapping[str, npt.NDArray[np.float64]]] = {"input": np.array([[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2]])}

_ESTIMATORS: Final[Mapping[str, type[Nearest]]] = {
    OLDER: Nearest,
    FIRST: Nearest,
    BETTER: Nearest,
    SLOW: Slow,
    FAILING: Failing,
    SHIFTED: Shifted,
    CRASHING: Crashing,
    UNREADY: Greedy,
}


def uri(version: str) -> str:
    """Return where a version is, as pods read it."""
    return f"{ROOT}/{NAME}/{version}/"


def publish_versions(work: Path) -> None:
    """Pack every version and put it into the object store, in place of what an earlier run left there."""
    rows, labels = load_iris(return_X_y=True)
    for version, estimator in _ESTIMATORS.items():
        # Only the pickled estimator itself shall answer.
        model = estimator().fit(rows, labels)
        _upload(predictors.pack(model, rows, name=NAME, version=version, out=work, onnx=False), version)
    _upload(_damaged(work), UNLOADABLE)


def _damaged(work: Path) -> Path:
    """Return a version of which one file is not the one that was sealed."""
    folder = Path(shutil.copytree(work / NAME / BETTER, work / "damaged"))
    golden = folder / "golden.json"
    golden.write_bytes(golden.read_bytes().replace(b"0", b"1", 1))
    return folder


def _upload(folder: Path, version: str) -> None:
    """Upload a folder file by file; `portside publish` takes its seconds for each, and refuses the damaged one."""
    forget(f"{NAME}/{version}")
    for path in sorted(folder.iterdir()):
        upload(path, f"{NAME}/{version}/{path.name}")
