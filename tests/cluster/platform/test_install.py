# SPDX-License-Identifier: Apache-2.0
"""`portside install` on an API server that keeps what it is given."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kubernetes_server import Kubernetes, kubernetes
from tests.cluster.platform.installation import controllers, deployment, named, portside, write_manifests

INSTALLATION = "portside.dev/installation"


@pytest.fixture
def cluster() -> Iterator[Kubernetes]:
    with kubernetes() as state:
        yield state


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write_manifests(tmp_path)


def install(cluster: Kubernetes, manifests: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    kubeconfig = cluster.kubeconfig(manifests.parent / "kubeconfig")
    given = ("--manifests", manifests, "--downloads", manifests.parent / "downloads", *words)
    return portside("install", *given, kubeconfig=kubeconfig)


def ingress(cluster: Kubernetes) -> dict[str, object]:
    data = cluster.get("v1", "ConfigMap", "inferenceservice-config", "kserve")["data"]
    return {**json.loads(data["ingress"]), **json.loads(data["deploy"])}


def test_controllers_in_a_supported_version_are_left_alone(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    ended = install(cluster, manifests)
    assert ended.returncode == 0, ended.stderr
    assert "Envoy Gateway    left alone (1.8.1, supported are >=1.7,<2)" in ended.stdout
    assert "metrics API      left alone (whatever its version)" in ended.stdout
    assert "cert-manager     not needed" in ended.stdout
    touched = {what for _, what in cluster.writes if what.startswith(("Deployment", "CustomResourceDefinition"))}
    assert touched == {
        "Deployment kserve-controller-manager",
        "Deployment rollouts",
        "CustomResourceDefinition modelrollouts.portside.dev",
    }


def test_configs_are_applied_before_runtimes_and_namespaces_before_what_is_in_them(
    cluster: Kubernetes, manifests: Path
) -> None:
    cluster.put(*controllers())
    assert install(cluster, manifests, "--no-services").returncode == 0
    applied = [what for verb, what in cluster.writes if verb == "apply"]
    assert sorted(applied[:2]) == ["Namespace models", "Namespace portside-system"]
    assert applied[-1] == "ClusterServingRuntime portside"


def test_kserves_settings_are_merged_and_its_controller_restarted_for_them(
    cluster: Kubernetes, manifests: Path
) -> None:
    cluster.put(*controllers())
    ended = install(cluster, manifests)
    assert "KServe settings  changed (deploy, ingress), its controller restarted" in ended.stdout
    assert ingress(cluster) == {
        "enableGatewayApi": True,
        "kserveIngressGateway": "portside-system/portside",
        "disableIstioVirtualHost": True,
        "ingressDomain": "localhost",
        "urlScheme": "http",
        "defaultDeploymentMode": "Standard",
    }
    template = cluster.get("apps/v1", "Deployment", "kserve-controller-manager", "kserve")["spec"]["template"]
    assert template["metadata"]["annotations"].keys() == {"kubectl.kubernetes.io/restartedAt"}


def test_a_second_run_changes_nothing(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    assert install(cluster, manifests).returncode == 0
    before = cluster.changes
    ended = install(cluster, manifests)
    assert ended.returncode == 0
    assert cluster.changes == before
    assert "place kind       unchanged (7 objects); Gateway portside-system/portside is ready" in ended.stdout
    assert "KServe settings  unchanged" in ended.stdout


def test_a_restart_that_was_missed_is_made_up_for(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    assert install(cluster, manifests).returncode == 0
    config_map = cluster.get("v1", "ConfigMap", "inferenceservice-config", "kserve")
    config_map["metadata"]["annotations"] = {"portside.dev/restart": "due"}
    cluster.writes.clear()
    assert "its controller restarted" in install(cluster, manifests).stdout
    assert ("patch", "Deployment kserve-controller-manager") in cluster.writes


@pytest.mark.parametrize("version", ["0.19.0", "0.22.0"])
def test_a_controller_in_an_unsupported_version_stops_it_before_anything_changes(
    cluster: Kubernetes, manifests: Path, version: str
) -> None:
    cluster.put(*controllers(kserve=version))
    ended = install(cluster, manifests)
    assert ended.returncode == 2
    assert f"KServe {version} is on this cluster, and Portside supports >=0.20,<0.22" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert cluster.writes == []


def test_an_empty_cluster_gets_every_controller_from_the_folder(cluster: Kubernetes, manifests: Path) -> None:
    ended = install(cluster, manifests)
    assert ended.returncode == 0, ended.stderr
    deployments = {what for verb, what in cluster.writes if verb == "apply" and what.startswith("Deployment")}
    assert deployments == {
        "Deployment cert-manager",
        "Deployment envoy-gateway",
        "Deployment keda-operator",
        "Deployment metrics-server",
        "Deployment kserve-controller-manager",
        "Deployment rollouts",
    }
    kserve = cluster.get("apps/v1", "Deployment", "kserve-controller-manager", "kserve")
    assert kserve["metadata"]["annotations"][INSTALLATION] == "complete"
    # The settings are there before the controller starts, which therefore need not be restarted.
    assert ingress(cluster)["defaultDeploymentMode"] == "Standard"
    assert "KServe settings  unchanged" in ended.stdout
    metrics = cluster.get("apps/v1", "Deployment", "metrics-server", "kube-system")
    assert metrics["spec"]["template"]["spec"]["containers"][0]["args"] == ["--kubelet-insecure-tls"]


def test_definitions_come_before_what_they_define(cluster: Kubernetes, manifests: Path) -> None:
    assert install(cluster, manifests).returncode == 0
    applied = [what for verb, what in cluster.writes if verb == "apply"]
    definition = applied.index("CustomResourceDefinition envoyproxies.gateway.envoyproxy.io")
    assert applied[definition + 1 : definition + 3] == ["Namespace envoy-gateway-system", "Deployment envoy-gateway"]


def test_an_installation_that_was_broken_off_is_taken_up_again(cluster: Kubernetes, manifests: Path) -> None:
    begun = deployment("keda", "keda-operator", "ghcr.io/kedacore/keda:2.18.0", annotations={INSTALLATION: "begun"})
    cluster.put(*controllers(), begun)
    ended = install(cluster, manifests)
    assert "KEDA             2.18.0 unchanged (1 object)" in ended.stdout
    keda = cluster.get("apps/v1", "Deployment", "keda-operator", "keda")
    assert keda["metadata"]["annotations"][INSTALLATION] == "complete"


def test_a_webhook_that_is_still_starting_is_tried_again(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    cluster.refusals["ClusterServingRuntime"] = ['failed calling webhook "x": connection refused'] * 2
    ended = install(cluster, manifests)
    assert ended.returncode == 0, ended.stderr
    assert cluster.refusals["ClusterServingRuntime"] == []


def test_a_refusal_for_good_is_told_at_once(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    cluster.refusals["ClusterServingRuntime"] = ["containers must not be empty"]
    ended = install(cluster, manifests)
    assert ended.returncode == 2
    assert "ClusterServingRuntime portside: containers must not be empty" in ended.stderr


def test_a_time_out_names_the_object_its_last_condition_and_its_last_events(
    cluster: Kubernetes, manifests: Path
) -> None:
    cluster.put(*controllers())
    status = {"type": "Programmed", "status": "False", "reason": "NoResources", "message": "no proxy is ready"}
    gateway = named("gateway.networking.k8s.io/v1", "Gateway", "portside", "portside-system", spec={})
    gateway["status"] = {"conditions": [status]}
    event = named("v1", "Event", "portside.1", "portside-system", reason="Failed", message="no\nnode has room")
    event |= {"involvedObject": {"kind": "Gateway", "name": "portside"}, "lastTimestamp": "2026-01-01T00:00:00Z"}
    other = named("v1", "Event", "other.1", "portside-system", reason="Failed", message="another's")
    other |= {"involvedObject": {"kind": "Gateway", "name": "other"}, "lastTimestamp": "2026-01-01T00:00:00Z"}
    cluster.put(gateway, event, other)
    ended = install(cluster, manifests, "--timeout", "1")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "portside: Gateway portside-system/portside was not ready within 1 s: "
        "Programmed is False (NoResources: no proxy is ready)",
        "  2026-01-01T00:00:00Z Gateway portside: Failed: no node has room",
    ]
    assert ("apply", "ClusterServingRuntime portside") not in cluster.writes


def test_another_image_takes_the_place_of_the_overlays(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    image = "registry.test:5000/predictor@sha256:" + 64 * "a"
    assert install(cluster, manifests, "--image", image).returncode == 0
    runtime = cluster.get("serving.kserve.io/v1alpha1", "ClusterServingRuntime", "portside")
    assert runtime["spec"]["containers"][0]["image"] == image


def test_the_controller_of_rollouts_comes_after_its_namespaces_and_is_waited_for(
    cluster: Kubernetes, manifests: Path
) -> None:
    cluster.put(*controllers())
    assert install(cluster, manifests).returncode == 0
    applied = [what for verb, what in cluster.writes if verb == "apply"]
    definition = applied.index("CustomResourceDefinition modelrollouts.portside.dev")
    assert applied[definition : definition + 3] == [
        "CustomResourceDefinition modelrollouts.portside.dev",
        "Deployment rollouts",
        "ClusterServingRuntime portside",
    ]
    assert applied.index("Namespace models") < definition


def test_the_controller_of_rollouts_may_be_left_out(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    ended = install(cluster, manifests, "--no-rollouts")
    assert ended.returncode == 0, ended.stderr
    assert "none             left out, as asked; new versions are brought in all at once" in ended.stdout
    assert ("apply", "Deployment rollouts") not in cluster.writes


def test_the_controller_of_rollouts_may_run_another_image(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    assert install(cluster, manifests, "--rollouts-image", "registry.test/rollouts:2").returncode == 0
    controller = cluster.get("apps/v1", "Deployment", "rollouts", "portside-system")
    assert controller["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.test/rollouts:2"
    runtime = cluster.get("serving.kserve.io/v1alpha1", "ClusterServingRuntime", "portside")
    assert runtime["spec"]["containers"][0]["image"] == "portside/predictor:0.1.0"


def test_services_come_last_and_may_be_left_out(cluster: Kubernetes, manifests: Path) -> None:
    cluster.put(*controllers())
    assert "none             left out, as asked" in install(cluster, manifests, "--no-services").stdout
    assert ("apply", "InferenceService spam") not in cluster.writes
    ended = install(cluster, manifests)
    assert ended.returncode == 0, ended.stderr
    assert cluster.writes[-1] == ("apply", "InferenceService spam")
    assert "spam             applied (1 object); InferenceService models/spam is ready" in ended.stdout


def test_without_controllers_it_asks_for_kserve(cluster: Kubernetes, manifests: Path) -> None:
    ended = install(cluster, manifests, "--skip-controllers")
    assert ended.returncode == 2
    assert "KServe is not on this cluster" in ended.stderr


def test_a_file_that_the_folder_lacks_is_named_with_its_url(cluster: Kubernetes, manifests: Path) -> None:
    (manifests.parent / "downloads" / "keda-2.18.0.yaml").unlink()
    ended = install(cluster, manifests)
    assert ended.returncode == 2
    assert "has no keda-2.18.0.yaml: it is https://release.invalid/KEDA.yaml" in ended.stderr
    assert cluster.writes == []


def test_a_missing_kubectl_is_told(cluster: Kubernetes, manifests: Path) -> None:
    kubeconfig = cluster.kubeconfig(manifests.parent / "kubeconfig")
    words = [sys.executable, "-m", "portside", "install", "--manifests", str(manifests)]
    env = {**os.environ, "PATH": "", "KUBECONFIG": str(kubeconfig)}
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert ended.returncode == 2
    assert "kubectl is not on PATH" in ended.stderr


def test_without_a_kubeconfig_it_says_so() -> None:
    ended = portside("install")
    assert ended.returncode == 2
    assert "no usable kubeconfig" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_list_of_downloads_needs_no_cluster() -> None:
    ended = portside("install", "--list-downloads")
    assert ended.returncode == 0
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [len(line) for line in lines] == [3] * 7
    assert "kserve-0.20.0.yaml" in {line[0] for line in lines}
