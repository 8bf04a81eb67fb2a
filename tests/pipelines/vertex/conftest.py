# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Vertex AI, a compiled pipeline, and two versions of a model with a third that answers otherwise."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from predictors import pack
from tests.pipelines.vertex.fake_vertex import FakeVertex, fake_vertex

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0], [4.0, 5.0], [5.0, 4.0]])


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVertex]:
    """Vertex AI, where our code finds it."""
    with fake_vertex() as fake:
        monkeypatch.setenv("VERTEX_API_ENDPOINT", fake.url)
        yield fake


@pytest.fixture(scope="session")
def spec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with every type of parameter, an exit handler, a condition and a task that is never cached."""
    from kfp import compiler, dsl

    @dsl.container_component  # type: ignore[untyped-decorator]
    def train(use_case: str, seed: int, promote: dsl.OutputPath(bool)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return dsl.ContainerSpec(image="europe-west4-docker.pkg.dev/p/r/pipelines", args=[use_case, seed, promote])

    @dsl.container_component  # type: ignore[untyped-decorator]
    def tell(use_case: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="europe-west4-docker.pkg.dev/p/r/pipelines", args=[use_case])

    @dsl.pipeline(name="spam")  # type: ignore[untyped-decorator]
    def pipeline(  # noqa: PLR0917 (Kubeflow passes a pipeline its inputs by place)
        use_case: str,
        seed: int = 0,
        share: float = 0.5,
        strict: bool = True,
        options: dict[str, str] = {},  # noqa: B006
        columns: list[str] = [],  # noqa: B006
    ) -> None:
        with dsl.ExitHandler(tell(use_case=use_case).set_caching_options(False)):
            trained = train(use_case=use_case, seed=seed)
            with dsl.If(trained.outputs["promote"] == True):  # noqa: E712
                tell(use_case=use_case)

    path = tmp_path_factory.mktemp("spec") / "spam.yaml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(pipeline, str(path))
    return path


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Versions 1.0.0 and 1.1.0 of the model iris, and one that calls itself 1.1.0 and answers otherwise."""
    packed = {}
    for key, labels, version in (("1.0.0", 1, "1.0.0"), ("1.1.0", 2, "1.1.0"), ("wrong", 3, "1.1.0")):
        model = LogisticRegression().fit(X, X[:, 0] > labels)
        out = tmp_path_factory.mktemp(key)
        packed[key] = pack(model, X, name="iris", version=version, out=out)
    return packed


@pytest.fixture
def bucket(tmp_path: Path, vertex: FakeVertex, artifacts: dict[str, Path]) -> Path:
    """The registry gs://models as this machine has it, with both versions published."""
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / "models" / "iris" / version
        shutil.copytree(artifacts[version], folder)
        vertex.buckets[f"gs://models/iris/{version}"] = folder
    return tmp_path / "models"
