# SPDX-License-Identifier: Apache-2.0
"""The services' overlays: short, and nothing that the base says is lost on the way."""

import re

import pytest
import yaml

from tests.manifests.rendering import MANIFESTS, NAMES, PLACES, needs_kubectl, one, render

pytestmark = needs_kubectl

IMAGES = {
    "kind": r"portside/predictor:\d+\.\d+\.\d+",
    "staging": r"registry\.example\.com/portside/predictor:\d+\.\d+\.\d+",
    "production": r"registry\.example\.com/portside/predictor@sha256:[0-9a-f]{64}",
}
STORES = {"kind": "s3://models", "staging": "gs://models-staging", "production": "gs://models"}
DOMAINS = {"kind": "localhost", "staging": "staging.models.example.com", "production": "models.example.com"}

every_overlay = pytest.mark.parametrize(
    ("name", "place"), [pytest.param(name, place, id=f"{name}-{place}") for name in NAMES for place in PLACES]
)


@every_overlay
def test_an_inference_service_keeps_image_args_and_storage_uri(name: str, place: str) -> None:
    service = one(render(MANIFESTS / "services" / name / "overlays" / place), "InferenceService")
    predictor = service["spec"]["predictor"]
    assert service["metadata"]["name"] == name
    assert service["metadata"]["namespace"] == "models"
    assert re.fullmatch(IMAGES[place], predictor["model"]["image"])
    assert predictor["model"]["args"] == ["--workers=1"]
    assert re.fullmatch(rf"{STORES[place]}/{name}/\d+\.\d+\.\d+/", predictor["model"]["storageUri"])
    assert predictor["model"]["runtime"] == "portside"
    assert predictor["minReplicas"] >= (1 if place == "kind" else 2)
    assert predictor["maxReplicas"] > predictor["minReplicas"]


@every_overlay
def test_both_routes_lead_from_the_hostname_to_the_predictor(name: str, place: str) -> None:
    documents = render(MANIFESTS / "services" / name / "overlays" / place)
    http, grpc = one(documents, "HTTPRoute"), one(documents, "GRPCRoute")
    for route, listener, port in ((http, "http", 80), (grpc, "grpc", 8081)):
        assert route["metadata"]["name"] == name
        assert route["spec"]["hostnames"] == [f"{name}.{DOMAINS[place]}"]
        assert [parent["sectionName"] for parent in route["spec"]["parentRefs"]] == [listener]
        (rule,) = route["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": f"{name}-predictor", "port": port, "weight": 100}]
    targets = one(documents, "BackendTrafficPolicy")["spec"]["targetRefs"]
    assert {(target["kind"], target["name"]) for target in targets} == {("HTTPRoute", name), ("GRPCRoute", name)}


@every_overlay
def test_the_disruption_budget_counts_the_pods_of_its_service(name: str, place: str) -> None:
    budget = one(render(MANIFESTS / "services" / name / "overlays" / place), "PodDisruptionBudget")
    assert budget["spec"]["selector"] == {"matchLabels": {"serving.kserve.io/inferenceservice": name}}


@every_overlay
def test_an_overlay_is_short_and_its_patches_name_what_they_change(name: str, place: str) -> None:
    text = (MANIFESTS / "services" / name / "overlays" / place / "kustomization.yaml").read_text()
    assert len(text.splitlines()) < 20
    for patch in yaml.safe_load(text)["patches"]:
        assert sorted(patch["target"]) == ["kind", "name"]
        operations = yaml.safe_load(patch["patch"])
        assert isinstance(operations, list), "not a JSON6902 patch"
        assert {operation["op"] for operation in operations} <= {"add", "replace", "remove"}
    assert "resources" in yaml.safe_load(text), "an overlay holds no resources of its own, it takes the base's"
