# SPDX-License-Identifier: Apache-2.0
"""The serving image, built once for the session, and three small artifacts for it: one of each scorer.

``CLUSTER_KIT`` names the cluster kit's script, which builds the image and gives it to the node. Without it, the
cluster must be able to pull the image that ``PORTSIDE_IMAGE`` names.
"""

import os
import subprocess
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import predictors

_ROOT = Path(__file__).parents[2]
_BUILD_SECONDS = 900


@pytest.fixture(scope="session")
def image() -> str:
    kit = os.environ.get("CLUSTER_KIT")
    if kit is None:
        name = os.environ.get("PORTSIDE_IMAGE")
        if name is None:
            pytest.fail("set CLUSTER_KIT to the cluster kit's script, or PORTSIDE_IMAGE to an image to test")
        return name
    name = "portside/predictor:e2e"
    built = subprocess.run(
        [Path(kit).resolve(), "build-image", _ROOT, name], capture_output=True, text=True, timeout=_BUILD_SECONDS
    )
    assert built.returncode == 0, built.stderr
    return name


@pytest.fixture(scope="session")
def linear_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    return predictors.pack(model, rows, name="iris", version="1.0.0", out=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def onnx_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = RandomForestClassifier(10, random_state=0).fit(rows, labels)
    return predictors.pack(model, rows, name="iris-forest", version="1.0.0", out=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def skops_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(rows, labels)
    out = tmp_path_factory.mktemp("models")
    return predictors.pack(model, rows, name="iris-trees", version="1.0.0", out=out, onnx=False)
