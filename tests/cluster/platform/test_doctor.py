# SPDX-License-Identifier: Apache-2.0
"""`portside doctor` on an API server that holds a platform, or one with a fault in it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.kubernetes_server import Kubernetes, Object, kubernetes
from tests.cluster.platform.installation import (
    ROOT,
    configs,
    controllers,
    deployment,
    kserve_config,
    named,
    portside,
    rollouts,
    runtime,
)

PROMETHEUS = {"kubernetes.io/service-name": "prometheus"}


@pytest.fixture
def cluster() -> Iterator[Kubernetes]:
    """A cluster where all is well."""
    with kubernetes() as state:
        state.put(*controllers(), *configs(), *rollouts(), runtime())
        ingress = {
            "enableGatewayApi": True,
            "kserveIngressGateway": "portside-system/portside",
            "ingressDomain": "x.test",
        }
        state.put(kserve_config(ingress, {"defaultDeploymentMode": "Standard"}))
        state.put(named("metrics.k8s.io/v1beta1", "NodeMetrics", "node"))
        state.put(named("v1", "Service", "prometheus", "portside-system", spec={"ports": [{"port": 9090}]}))
        endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
        found = named("discovery.k8s.io/v1", "EndpointSlice", "prometheus-1", "portside-system", endpoints=endpoints)
        found["metadata"]["labels"] = PROMETHEUS
        state.put(found)
        yield state


def doctor(cluster: Kubernetes, tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return portside("doctor", *words, kubeconfig=cluster.kubeconfig(tmp_path / "kubeconfig"))


def test_a_cluster_where_all_is_well_has_no_warning_and_ends_with_0(cluster: Kubernetes, tmp_path: Path) -> None:
    ended = doctor(cluster, tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert {line.split()[0] for line in ended.stdout.splitlines()[:-1]} == {"ok"}
    assert ended.stdout.splitlines()[-1] == "17 ok, 0 warnings, 0 problems"


def test_it_changes_nothing(cluster: Kubernetes, tmp_path: Path) -> None:
    doctor(cluster, tmp_path)
    assert cluster.writes == []


def test_an_empty_cluster_has_a_remedy_for_every_problem(tmp_path: Path) -> None:
    with kubernetes() as empty:
        ended = doctor(empty, tmp_path, "--json")
    assert ended.returncode == 1
    findings = json.loads(ended.stdout)
    assert [one["check"] for one in findings if one["state"] == "problem"] == [
        *("KServe", "Gateway API", "Envoy Gateway", "GatewayClass", "Gateway"),
        *("namespace", "namespace", "runtime", "storage secret", "storage container", "metrics API"),
    ]
    assert [one["check"] for one in findings if one["state"] == "warning"] == ["KEDA", "Prometheus", "rollouts"]
    assert [one for one in findings if one["state"] != "ok" and not one["remedy"]] == []


def _pod(reason: str) -> Object:
    status = {"name": "kserve-container", "image": "portside/predictor:0.1.0", "state": {"waiting": {"reason": reason}}}
    return named("v1", "Pod", "spam-predictor-1", "models", status={"containerStatuses": [status]})


def _unprogrammed() -> Object:
    gateway = named("gateway.networking.k8s.io/v1", "Gateway", "portside", "portside-system", spec={})
    told = {"type": "Programmed", "status": "False", "reason": "AddressNotAssigned", "message": "no address"}
    return {**gateway, "status": {"conditions": [told]}}


def _unavailable_metrics() -> Object:
    service = named("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io")
    told = {"type": "Available", "status": "False", "reason": "MissingEndpoints"}
    return {**service, "status": {"conditions": [told]}}


FAULTS: list[tuple[Callable[[], Object], str, str]] = [
    (
        lambda: deployment("kserve", "kserve-controller-manager", "kserve/kserve-controller:v0.19.0"),
        "problem KServe",
        "version 0.19.0 is not supported (>=0.20,<0.22)",
    ),
    (
        lambda: {
            **deployment("kserve", "kserve-controller-manager", "kserve/kserve-controller:v0.20.0"),
            "status": {"observedGeneration": 1, "updatedReplicas": 1},
        },
        "problem KServe",
        "version 0.20.0: 1 of 1 pods updated, 0 available",
    ),
    (
        lambda: kserve_config({"enableGatewayApi": True}, {"defaultDeploymentMode": "Knative"}),
        "problem KServe settings",
        "the deployment mode is Knative, not Standard",
    ),
    (
        lambda: kserve_config({"enableGatewayApi": False}, {"defaultDeploymentMode": "Standard"}),
        "problem KServe settings",
        "the Gateway API is off",
    ),
    (_unprogrammed, "problem Gateway", "Programmed is False (AddressNotAssigned: no address)"),
    (_unavailable_metrics, "problem metrics API", "Available is False (MissingEndpoints)"),
    (lambda: named("v1", "Namespace", "models"), "problem namespace", "models has no label portside.dev/gateway"),
    (lambda: runtime("portside/predictor:replace"), "problem runtime", "portside/predictor:replace is a placeholder"),
    (
        lambda: runtime("registry.example.com/portside/predictor@sha256:" + 64 * "0"),
        "problem runtime",
        "is a placeholder",
    ),
    (
        lambda: _pod("ImagePullBackOff"),
        "problem image pull",
        "pod spam-predictor-1 cannot have portside/predictor:0.1.0: ImagePullBackOff",
    ),
    (
        lambda: named("v1", "ServiceAccount", "models", "models", secrets=[{"name": "gone"}]),
        "problem storage secret",
        "names Secret gone, which is not there",
    ),
    (lambda: named("v1", "ServiceAccount", "models", "models"), "warning storage secret", "has no secret"),
    (
        lambda: named("v1", "Secret", "object-store", "models", data={"AWS_ACCESS_KEY_ID": "aGlkZGVu"}),
        "warning storage secret",
        "has both keys and the annotation",
    ),
    (
        lambda: named("serving.kserve.io/v1alpha1", "ClusterStorageContainer", "default", spec={"container": {}}),
        "problem storage container",
        "no model's pod is let in",
    ),
    (
        lambda: {**rollouts()[0], "status": {"observedGeneration": 1, "updatedReplicas": 1}},
        "problem rollouts",
        "their controller: 1 of 1 pods updated, 0 available",
    ),
]


@pytest.mark.parametrize(("fault", "check", "told"), FAULTS, ids=[told for *_, told in FAULTS])
def test_a_fault_is_found_with_what_to_do(
    cluster: Kubernetes, tmp_path: Path, fault: Callable[[], Object], check: str, told: str
) -> None:
    cluster.put(fault())
    ended = doctor(cluster, tmp_path)
    lines = ended.stdout.splitlines()
    (place,) = (place for place, line in enumerate(lines) if told in line)
    assert " ".join(lines[place].split()).startswith(check)
    assert lines[place + 1].strip().startswith("-> ")
    assert ended.returncode == (1 if check.startswith("problem") else 0)
    # Keys are never shown, not even encoded.
    assert "aGlkZGVu" not in ended.stdout


def test_an_account_of_the_cloud_needs_no_secret(cluster: Kubernetes, tmp_path: Path) -> None:
    account = named("v1", "ServiceAccount", "models", "models")
    account["metadata"]["annotations"] = {"iam.gke.io/gcp-service-account": "models@project.iam.test"}
    cluster.put(account)
    assert "ServiceAccount models acts as models@project.iam.test" in doctor(cluster, tmp_path).stdout


@pytest.mark.parametrize("words", [(), ("--context", "nothing")], ids=["no file", "no such context"])
def test_without_a_kubeconfig_it_says_so_and_ends_with_2(words: tuple[str, ...]) -> None:
    ended = portside("doctor", "--manifests", ROOT / "manifests", *words)
    assert ended.returncode == 2
    assert "no usable kubeconfig" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_server_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    gone = Kubernetes(url="http://127.0.0.1:1")
    ended = doctor(gone, tmp_path)
    assert ended.returncode == 2
    assert "the cluster cannot be reached" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
