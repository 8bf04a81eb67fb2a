# SPDX-License-Identifier: Apache-2.0
"""The platform as a platform team sets it up, once for the session: image, installation, artifacts, services.

``CLUSTER_KIT`` names the cluster kit's script, which builds the image and gives it to the node. Without it, the
cluster's nodes must hold the image already, or be able to pull it.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import predictors
from tests.e2e.faulty_versions import IMAGE, publish_versions
from tests.e2e.gateway import Service
from tests.e2e.kubernetes import Namespace, kubectl, poll
from tests.e2e.object_store import publish
from tests.e2e.prometheus import prometheus_image
from tests.e2e.rollout_controller import restart_controller
from tests.e2e.rollout_service import RolloutService, rollout_service
from tests.e2e.use_cases import NAMES, make_artifact, portside
from tests.e2e.volumes import object_store_volume

_ROOT = Path(__file__).parents[2]
_BUILD_SECONDS = 900
_READY_SECONDS = 300


@pytest.fixture(scope="session")
def image() -> str:
    """The serving image, under the name by which the place "kind" asks for it."""
    return _built(os.environ.get("PORTSIDE_IMAGE", "portside/predictor:0.1.0"))


@pytest.fixture(scope="session")
def loadtest_image() -> str:
    """The image of the load tests, under the name by which the place "kind" asks for it."""
    return _built("portside/loadtest:0.1.0", "--target", "loadtest")


@pytest.fixture(scope="session")
def pipeline_image() -> str:
    """The image of the pipelines, under the name by which the place "kind" asks for it."""
    return _built("portside/pipeline:0.1.0", "--target", "pipeline")


@pytest.fixture(scope="session")
def rollouts_image() -> str:
    """The image of the rollouts' controller, under the name by which the place "kind" asks for it."""
    return _built("portside/rollouts:0.1.0", "--target", "rollouts")


@pytest.fixture(scope="session")
def platform(image: str, rollouts_image: str) -> None:
    """Everything below the services, put there by ``portside install``."""
    kit = os.environ.get("CLUSTER_KIT")
    if kit is not None:
        prometheus_image(kit)
    object_store_volume()
    done = portside("install", "--place", "kind", "--no-services")
    print(done.stdout)


@pytest.fixture(scope="session")
def artifacts(platform: None, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The artifacts of the three use cases, in the object store too."""
    out = tmp_path_factory.mktemp("models")
    made = {name: make_artifact(name, out) for name in NAMES}
    for folder in made.values():
        publish(folder)
    return made


@pytest.fixture(scope="session")
def services(artifacts: Mapping[str, Path]) -> Iterator[Mapping[str, Service]]:
    """The three services, applied from their overlays and ready."""
    overlays = [str(_ROOT / "manifests/services" / name / "overlays/kind") for name in NAMES]
    models = Namespace("models")
    found = {name: Service(name, f"{name}.localhost") for name in NAMES}
    try:
        for overlay in overlays:
            kubectl("apply", "--kustomize", overlay)
        for name, service in found.items():
            poll(_READY_SECONDS, f"{name} to answer through the gateway", service.is_answering)
        yield found
    except BaseException:
        models.dump()
        raise
    finally:
        for overlay in overlays:
            kubectl("delete", "--kustomize", overlay, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def rollout_services(platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[RolloutService]]:
    """Three small services, each with a pod of the first version of the model ``faulty``, whose other versions wait."""
    _built(IMAGE, folder=Path(__file__).parent / "faulty_models")
    publish_versions(tmp_path_factory.mktemp("faulty"))
    restart_controller()
    with ExitStack() as stack:
        yield [stack.enter_context(rollout_service(f"rolled-{letter}")) for letter in "abc"]


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


def _built(name: str, *options: str, folder: Path = _ROOT) -> str:
    kit = os.environ.get("CLUSTER_KIT")
    if kit is not None:
        words = [str(Path(kit).resolve()), "build-image", str(folder), name, *options]
        built = subprocess.run(words, capture_output=True, text=True, timeout=_BUILD_SECONDS)
        assert built.returncode == 0, built.stderr
    return name
