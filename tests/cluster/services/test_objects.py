# SPDX-License-Identifier: Apache-2.0
"""The objects of a service: those of its manifests, with the user's choices in place."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.services.artifact_uri import folder_uri, version_of
from cluster.services.objects import Service, objects, service_of
from tests.manifests.rendering import MANIFESTS, NAMES, needs_kubectl, render

IRIS = Service("iris", "models", "iris.localhost", "s3://models/iris/1.0.0")


def predictor(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = objects(service)[0]["spec"]["predictor"]
    return found


@needs_kubectl
@pytest.mark.parametrize("name", NAMES)
def test_a_service_of_the_command_line_is_that_of_its_manifests(name: str) -> None:
    rendered = render(MANIFESTS / "services" / name / "base")
    uri = folder_uri(f"s3://models/{name}/1.0.0")
    service = Service(name, "models", f"{name}.localhost", uri, image="portside/predictor:replace")
    made = {document["kind"]: document for document in objects(service)}
    # A base leaves the namespace to its overlays.
    expected = {each["kind"]: {**each, "metadata": {**each["metadata"], "namespace": "models"}} for each in rendered}
    assert made == expected


def test_an_image_is_only_named_when_it_is_chosen() -> None:
    assert "image" not in predictor(IRIS)["model"]
    assert predictor(replace(IRIS, image="mine:1"))["model"]["image"] == "mine:1"


def test_pods_are_added_by_cpu_where_there_may_be_more_of_them() -> None:
    assert "scaleMetric" not in predictor(IRIS)
    scaled = predictor(replace(IRIS, max_replicas=3))
    assert (scaled["scaleMetric"], scaled["scaleTarget"], scaled["maxReplicas"]) == ("cpu", 70, 3)
    assert predictor(replace(IRIS, max_replicas=3, cpu_target=50))["scaleTarget"] == 50


def test_a_service_that_scales_by_another_metric_goes_on_doing_so() -> None:
    scaled = predictor(replace(IRIS, max_replicas=3, autoscaling={"metrics": [{"type": "External"}]}))
    assert scaled["autoScaling"] == {"metrics": [{"type": "External"}]}
    assert "scaleMetric" not in scaled


def test_pickles_are_loaded_only_when_that_is_allowed() -> None:
    assert "env" not in predictor(IRIS)["model"]
    allowed = predictor(replace(IRIS, allow_pickle=True))
    assert allowed["model"]["env"] == [{"name": "PREDICTOR_ALLOW_PICKLE", "value": "true"}]


@pytest.mark.parametrize(
    "service",
    [
        pytest.param(IRIS, id="plain"),
        pytest.param(replace(IRIS, image="mine:1", allow_pickle=True, cpu_target=60, max_replicas=4), id="chosen"),
        pytest.param(replace(IRIS, predictor="v2", args=(), service_account="other"), id="promoted"),
        pytest.param(
            replace(IRIS, autoscaling={"metrics": []}, annotations={"serving.kserve.io/autoscalerClass": "keda"}),
            id="scaled by another metric",
        ),
    ],
)
def test_what_a_service_was_made_with_is_read_back_from_it(service: Service) -> None:
    assert service_of(objects(service)[0], service.hostname) == service


def test_a_promoted_predictor_keeps_its_backend() -> None:
    _, _, _, http, grpc = objects(replace(IRIS, predictor="v2"))
    backends = [route["spec"]["rules"][0]["backendRefs"][0]["name"] for route in (http, grpc)]
    assert backends == ["iris-v2-predictor", "iris-v2-predictor"]


@pytest.mark.parametrize(
    ("uri", "given"),
    [
        ("s3://models/iris/1.0.0", "s3://models/iris/1.0.0/"),
        ("gs://models/iris/1.0.0/", "gs://models/iris/1.0.0/"),
        ("s3://models/iris/1.0.0//", "s3://models/iris/1.0.0/"),
        ("s3://models/iris-1.0.0.tgz", "s3://models/iris-1.0.0.tgz"),
        ("pvc://models/iris/1.0.0", "pvc://models/iris/1.0.0"),
    ],
)
def test_a_folder_of_a_bucket_ends_with_a_slash(uri: str, given: str) -> None:
    assert folder_uri(uri) == given


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("s3://models/iris/1.0.0/", "1.0.0"),
        ("s3://models/iris/1.1.0-rc1", "1.1.0-rc1"),
        ("https://models.example/iris/1.0.0.tar.gz", "1.0.0"),
        ("s3://models/iris/1.0.0.zip", "1.0.0"),
    ],
)
def test_a_version_is_told_by_a_uris_last_part(uri: str, version: str) -> None:
    assert version_of(uri) == version
