# SPDX-License-Identifier: Apache-2.0
"""A pipeline's version that is rolled out: promoted or not, and what becomes of a run that was interrupted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from pipelines.deploying.kserve import KServePlace
from pipelines.deploying.options import Options
from pipelines.deploying.promotion import promote
from pipelines.deploying.rollout import RolloutOf
from pipelines.errors import StepError
from pipelines.registry import open_registry
from predictors.artifact import Artifact
from tests.cluster.kubernetes_server import Kubernetes
from tests.pipelines.data.test_resolution import led_to
from tests.rollouts.commands.cluster_with_rollouts import (
    BUCKET,
    await_looks,
    cluster_with_rollouts,
    put_rollout,
    rollout,
    rollouts,
    serve,
    status_of,
)

NEW = f"{BUCKET}/1.1.0/"
PATIENCE = 30.0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kubernetes]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with cluster_with_rollouts() as running:
        led_to(running, monkeypatch, tmp_path)
        yield running


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def of_spam(cluster: Kubernetes, lines: list[str]) -> RolloutOf:
    return RolloutOf(Cluster(), "models", "spam", lines.append)


@contextmanager
def ending(cluster: Kubernetes, name: str, phase: str, service: str = "spam") -> Iterator[None]:
    """Have a rollout end, as a controller would, once it is followed."""

    def end() -> None:
        await_looks(name)
        status = status_of(phase, verdict="that is the verdict")
        put_rollout(cluster, name, "1.1.0", status=status, inferenceService=service)

    controller = threading.Thread(target=end)
    controller.start()
    try:
        yield
    finally:
        controller.join()


def test_a_promoted_version_is_brought_in(cluster: Kubernetes, of_spam: RolloutOf, lines: list[str]) -> None:
    with ending(cluster, "spam-1-1-0", "Promoted"):
        of_spam.bring_in(NEW, {"steps": [{"traffic": 50}], "minRequests": 20}, patience=PATIENCE)
    assert lines == [f"rollout spam-1-1-0 brings spam to {NEW}"]
    assert cluster.writes == [("create", "ModelRollout spam-1-1-0")]


def test_it_asks_for_the_usual_gates_and_what_its_options_say(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    with pytest.raises(StepError):
        of_spam.bring_in(NEW, {"minRequests": 20}, patience=0)
    spec = rollout(cluster, "spam-1-1-0")["spec"]
    assert (spec["inferenceService"], spec["storageUri"], spec["minRequests"]) == ("spam", NEW, 20)
    assert [step["traffic"] for step in spec["steps"]] == [5, 25, 50]
    assert sorted(spec["gates"]) == ["errors", "latency", "predictions"]


@pytest.mark.parametrize("phase", ["Reverted", "Inconclusive", "Refused"])
def test_a_version_that_is_not_promoted_fails_with_the_verdict(
    phase: str, cluster: Kubernetes, of_spam: RolloutOf
) -> None:
    with ending(cluster, "spam-1-1-0", phase), pytest.raises(StepError, match=f"{phase}: that is the verdict"):
        of_spam.bring_in(NEW, {}, patience=PATIENCE)


def test_the_rollout_of_an_interrupted_run_is_joined(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Progressing"))
    assert of_spam.is_under_way(NEW)
    with ending(cluster, "spam-1-1-0", "Promoted"):
        of_spam.bring_in(NEW, {}, patience=PATIENCE)
    assert cluster.writes == []


def test_another_rollout_is_not_waited_for(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    put_rollout(cluster, "spam-1-0-5", "1.0.5", status=status_of("Progressing"))
    assert not of_spam.is_under_way(NEW)
    with pytest.raises(StepError, match=r"rollout spam-1-0-5 of spam is under way, Progressing"):
        of_spam.bring_in(NEW, {}, patience=PATIENCE)
    assert cluster.writes == []


def test_one_that_no_controller_takes_up_is_aborted(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    with pytest.raises(StepError, match=r"no controller has taken rollout spam-1-1-0 up within 0 s.*it is aborted"):
        of_spam.bring_in(NEW, {}, patience=0)
    assert rollout(cluster, "spam-1-1-0")["spec"]["end"] == "Abort"


def test_what_was_promoted_and_answers_wrong_is_put_back(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    serve(cluster, "1.1.0")
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Promoted", formerVersion="1.0.0"))
    with ending(cluster, "spam-1-0-0", "Promoted"):
        assert of_spam.put_back() == "put back to 1.0.0"


def test_what_cannot_be_put_back_is_told(cluster: Kubernetes, of_spam: RolloutOf) -> None:
    assert of_spam.put_back().startswith("not put back (no rollout tells what spam served before 1.0.0")
    assert rollouts(cluster) == []


def test_a_reverted_version_leaves_service_and_champion(
    cluster: Kubernetes, iris_artifact: Artifact, iris_challenger: Artifact, tmp_path: Path, lines: list[str]
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    former = registry.publish(iris_artifact.folder)
    registry.tag("iris", "champion", "1.0.0", reason="a test")
    before: dict[str, Any] = {"predictor": {"model": {"storageUri": "s3://models/iris/1.0.0/"}}}
    metadata = {"name": "iris", "namespace": "models"}
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    cluster.put({**kind, "metadata": metadata, "spec": before})
    place = _AtBucket(Cluster(), "models", Options.of({"rollout": "true"}), lines.append)
    with ending(cluster, "iris-1-1-0", "Reverted", "iris"), pytest.raises(StepError, match="that is the verdict"):
        promote(registry, iris_challenger.folder, place, champion="1.0.0", serving="1.0.0", tell=lines.append)
    assert cluster.get(kind["apiVersion"], kind["kind"], "iris", "models")["spec"] == before
    assert registry.aliases("iris").champion == "1.0.0"
    assert former.endswith("iris/1.0.0")


class _AtBucket(KServePlace):
    """A place whose registry, a folder here, stands for a bucket that the cluster reads."""

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:
        return super().serve(artifact, f"s3://models/iris/{artifact.manifest.version}", former)
