# SPDX-License-Identifier: Apache-2.0
"""The components: each fits whatever service includes it, and what they run is as closed as Pod Security asks."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.rendering import MANIFESTS, needs_kubectl, one, render

pytestmark = needs_kubectl

COMPONENTS = MANIFESTS / "components"
PLATFORM = ("monitoring", "object-store")

Rendered = Callable[..., list[dict[str, Any]]]

_NAME = "app.kubernetes.io/name"


@pytest.fixture
def service_with(tmp_path: Path) -> Rendered:
    """Renders a service called "fraud" with components."""

    def rendered(*components: str) -> list[dict[str, Any]]:
        service = yaml.safe_load((MANIFESTS / "services/spam/base/inference-service.yaml").read_text())
        service["metadata"]["name"] = "fraud"
        return _render(tmp_path, {"fraud.yaml": service}, components)

    return rendered


@pytest.fixture
def platform_with(tmp_path: Path) -> Rendered:
    """Renders components by themselves, as the place "kind" includes them."""
    return lambda *components: _render(tmp_path, {}, components)


def test_hpa_scales_on_cpu_and_leaves_the_smallest_number_to_the_service(service_with: Rendered) -> None:
    service = one(service_with("hpa"), "InferenceService")
    predictor = service["spec"]["predictor"]
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "hpa"
    assert (predictor["scaleMetric"], predictor["minReplicas"]) == ("cpu", 1)
    assert 1 <= predictor["scaleTarget"] <= 100
    assert predictor["maxReplicas"] > 1


def test_keda_asks_for_the_requests_in_flight_of_the_service_that_includes_it(service_with: Rendered) -> None:
    service = one(service_with("keda"), "InferenceService")
    predictor = service["spec"]["predictor"]
    (metric,) = predictor["autoScaling"]["metrics"]
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    assert "scaleMetric" not in predictor
    assert '{namespace="models",service="fraud"}' in metric["external"]["metric"]["query"]
    assert predictor["maxReplicas"] > 1


def test_keda_asks_for_what_prometheus_records_where_it_is(service_with: Rendered, platform_with: Rendered) -> None:
    (metric,) = one(service_with("keda"), "InferenceService")["spec"]["predictor"]["autoScaling"]["metrics"]
    rules = yaml.safe_load((COMPONENTS / "monitoring/recording.rules.yaml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"]}
    prometheus = one(platform_with("monitoring"), "Service")
    (port,) = prometheus["spec"]["ports"]
    name, namespace = prometheus["metadata"]["name"], prometheus["metadata"]["namespace"]
    assert metric["external"]["metric"]["query"].split("{")[0] in recorded
    assert metric["external"]["metric"]["serverAddress"] == f"http://{name}.{namespace}.svc:{port['port']}"


def test_network_policy_is_the_services_own_and_selects_its_pods(service_with: Rendered) -> None:
    policy = one(service_with("network-policy"), "NetworkPolicy")
    assert policy["metadata"]["name"] == "fraud"
    assert policy["spec"]["podSelector"]["matchLabels"] == {"serving.kserve.io/inferenceservice": "fraud"}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] and rule["ports"] for rule in policy["spec"]["ingress"])
    assert all(rule["ports"] for rule in policy["spec"]["egress"])


def test_network_policy_lets_in_the_pods_that_the_components_run(
    service_with: Rendered, platform_with: Rendered
) -> None:
    policy = one(service_with("network-policy"), "NetworkPolicy")["spec"]
    peers = [peer for rule in policy["ingress"] for peer in rule["from"]]
    peers += [peer for rule in policy["egress"] for peer in rule.get("to", []) if "podSelector" in peer]
    selected = [
        (
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
            peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name"),
        )
        for peer in peers
    ]
    pods = [
        (deployment["metadata"]["namespace"], deployment["spec"]["template"]["metadata"]["labels"][_NAME])
        for deployment in platform_with(*PLATFORM)
        if deployment["kind"] == "Deployment"
    ]
    assert sorted(pods) == sorted(pair for pair in selected if pair[0] == "portside-system")


@pytest.mark.parametrize("component", PLATFORM)
def test_what_a_component_runs_is_restricted_probed_and_bounded(component: str, platform_with: Rendered) -> None:
    pod = one(platform_with(component), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert re.fullmatch(r"[\w/]+:v\d+\.\d+\.\d+", container["image"])


@pytest.mark.parametrize("component", PLATFORM)
def test_every_object_of_a_component_names_its_namespace_and_what_it_belongs_to(
    component: str, platform_with: Rendered
) -> None:
    documents = platform_with(component)
    assert all(document["metadata"].get("namespace") for document in documents)
    assert {document["metadata"]["labels"]["app.kubernetes.io/part-of"] for document in documents} == {"portside"}


def test_prometheus_may_see_pods_in_three_namespaces_and_nothing_else(platform_with: Rendered) -> None:
    documents = platform_with("monitoring")
    roles = [document for document in documents if document["kind"] == "Role"]
    (scrapes,) = [document["data"]["prometheus.yaml"] for document in documents if document["kind"] == "ConfigMap"]
    jobs = yaml.safe_load(scrapes)["scrape_configs"]
    seen = [
        name for job in jobs for each in job.get("kubernetes_sd_configs", []) for name in each["namespaces"]["names"]
    ]
    assert sorted(role["metadata"]["namespace"] for role in roles) == sorted(seen)
    assert [role["rules"] for role in roles] == [
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    ] * len(roles)
    assert not [document for document in documents if document["kind"].startswith("ClusterRole")]


def test_predictors_get_the_credentials_of_the_object_store() -> None:
    documents = render(MANIFESTS / "configs/overlays/kind")
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    secrets = {each["metadata"]["namespace"]: each for each in documents if each["kind"] == "Secret"}
    account, store = named["ServiceAccount", "models"], named["Service", "object-store"]
    (port,) = store["spec"]["ports"]
    assert secrets["models"]["data"] == secrets["portside-system"]["data"]
    assert account["metadata"]["namespace"] == "models"
    assert account["secrets"] == [{"name": secrets["models"]["metadata"]["name"]}]
    assert secrets["models"]["metadata"]["annotations"]["serving.kserve.io/s3-endpoint"] == (
        f"{store['metadata']['name']}.{store['metadata']['namespace']}.svc:{port['port']}"
    )


def _render(folder: Path, resources: dict[str, dict[str, Any]], components: tuple[str, ...]) -> list[dict[str, Any]]:
    for name, document in resources.items():
        (folder / name).write_text(yaml.safe_dump(document))
    kustomization = {
        "resources": list(resources),
        "components": [_relative(COMPONENTS / component, folder) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(folder)


def _relative(path: Path, folder: Path) -> str:
    """Return the path as kustomize takes it, which refuses absolute ones."""
    return os.path.relpath(path, folder.resolve())
