# SPDX-License-Identifier: Apache-2.0
"""What a run starts from: which version serves, which comes next, and whether it was run before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from pipelines.data.resolution import Resolved, resolve
from pipelines.deploying.champion import serving_version
from pipelines.errors import StepError
from pipelines.lineage import fingerprint
from pipelines.registry import Registry, open_registry
from predictors import pack
from tests.cluster.kubernetes_server import Kubernetes, kubernetes

X, Y = load_iris(return_X_y=True)
NAME = "iris"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Version 1.0.0 of data "one", and 1.1.0 of data "two" that was compared with it."""
    out = tmp_path_factory.mktemp("resolution")
    found = open_registry(str(out / "registry"))
    for version, data, champion in (("1.0.0", "one", ""), ("1.1.0", "two", "1.0.0")):
        lineage: dict[str, float | int | str] = {
            "fingerprint": fingerprint(NAME, data, 0, "code"),
            "champion": champion,
        }
        model = LogisticRegression(max_iter=500).fit(X, Y)
        told = {**lineage, "reason": f"of {data}"}
        found.publish(pack(model, X, name=NAME, version=version, out=out, lineage=told, onnx=False))
    found.tag(NAME, "champion", "1.1.0")
    return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kubernetes]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with kubernetes() as running:
        led_to(running, monkeypatch, tmp_path)
        yield running


def test_new_data_are_up_against_the_champion(registry: Registry) -> None:
    wanted = fingerprint(NAME, "three", 0, "code")
    assert resolved(registry, "three", "1.1.0") == Resolved("1.1.0", "1.2.0", wanted, "drift")


def test_the_first_run_has_no_champion(tmp_path: Path) -> None:
    first = resolved(open_registry(str(tmp_path)), "one", "")
    assert (first.champion, first.version, first.reason, first.repeats) == ("", "1.0.0", "drift", False)


@pytest.mark.parametrize("champion", ["1.0.0", "1.1.0"], ids=["before it was deployed", "after"])
def test_a_run_on_the_same_data_is_that_run_again(registry: Registry, champion: str) -> None:
    again = resolved(registry, "two", champion)
    assert (again.champion, again.version, again.reason, again.repeats) == ("1.0.0", "1.1.0", "of two", True)


@pytest.mark.parametrize(("data", "seed"), [("one", 0), ("two", 1)], ids=["older data", "another seed"])
def test_what_was_overcome_since_is_compared_again(registry: Registry, data: str, seed: int) -> None:
    anew = resolved(registry, data, "1.1.0", seed)
    assert (anew.champion, anew.version, anew.repeats) == ("1.1.0", "1.2.0", False)


def test_without_a_cluster_the_champion_serves(registry: Registry, tmp_path: Path) -> None:
    assert serving_version(registry, NAME, "local", "models") == "1.1.0"
    assert serving_version(open_registry(str(tmp_path)), NAME, "vertex", "models") == ""


def test_on_a_cluster_what_it_was_told_to_serve_is_the_champion(registry: Registry, cluster: Kubernetes) -> None:
    cluster.put(service(f"{registry.root}/{NAME}/1.0.0/"))
    assert serving_version(registry, NAME, "kserve", "models") == "1.0.0"
    assert serving_version(registry, NAME, "kserve", "elsewhere") == "1.1.0"


@pytest.mark.parametrize("uri", ["s3://others/iris/1.0.0/", "{root}/iris/9.0.0/", "{root}/iris-2/1.0.0", ""])
def test_a_service_of_another_registry_leaves_the_registrys_champion(
    registry: Registry, cluster: Kubernetes, uri: str
) -> None:
    cluster.put(service(uri.format(root=registry.root)))
    assert serving_version(registry, NAME, "kserve", "models") == "1.1.0"


def test_a_cluster_that_does_not_answer_is_said(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    led_to(Kubernetes("http://127.0.0.1:9"), monkeypatch, tmp_path)
    with pytest.raises(StepError, match=r"which version of iris serves in namespace models is not known: .*reached"):
        serving_version(registry, NAME, "kserve", "models")


def led_to(cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let this process find a cluster; the client keeps where it once looked for its kubeconfig."""
    kubeconfig = str(cluster.kubeconfig(folder / "kubeconfig"))
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)


def resolved(registry: Registry, data: str, champion: str, seed: int = 0) -> Resolved:
    words = {"champion": champion, "data_digest": data, "code": "code", "because": "drift"}
    return resolve(registry, NAME, seed=seed, **words)


def service(uri: str) -> dict[str, object]:
    model = {"modelFormat": {"name": "portside"}, "storageUri": uri}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": NAME, "namespace": "models"},
        "spec": {"predictor": {"model": model}},
    }
