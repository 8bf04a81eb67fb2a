# SPDX-License-Identifier: Apache-2.0
"""Installing the platform on a cluster where it is already there."""

import json
from typing import Any

import pytest

from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

INSTALL = ("install", "--place", "kind", "--no-services")
ROLLOUT_SECONDS = 120
#: Anything that Portside did not write and must keep.
FOREIGN = "urlScheme"


def kserve_config() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        kubectl("get", "configmap", "inferenceservice-config", "--namespace", "kserve", "--output", "json")
    )
    return found


def restarted_at() -> str | None:
    found = json.loads(
        kubectl("get", "deployment", "kserve-controller-manager", "--namespace", "kserve", "--output", "json")
    )
    annotations = found["spec"]["template"]["metadata"].get("annotations", {})
    at: str | None = annotations.get("kubectl.kubernetes.io/restartedAt")
    return at


def generations() -> dict[str, int]:
    """Return, of each object, how often what it shall be has changed."""
    kinds = "gatewayclasses,gateways,envoyproxies,clusterservingruntimes,clusterstoragecontainers"
    items = json.loads(kubectl("get", kinds, "--all-namespaces", "--output", "json"))["items"]
    return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["generation"] for item in items}


def test_installing_again_leaves_the_controllers_alone_and_changes_nothing(platform: None) -> None:
    # Tests before this one may have changed the runtime, which the first run sets right.
    portside(*INSTALL)
    before, restarted = generations(), restarted_at()
    told = portside(*INSTALL).stdout
    lines = [line.split(maxsplit=1) for line in told.splitlines() if line.startswith("  ")]
    assert len([line for line in lines if "left alone" in line[-1]]) == 5
    assert "applied (" not in told
    assert "KServe settings  unchanged" in told
    assert "Gateway portside-system/portside is ready" in told
    assert generations() == before
    assert before.keys() >= {"Gateway portside", "ClusterServingRuntime portside", "ClusterStorageContainer default"}
    assert restarted_at() == restarted


def test_a_changed_setting_is_brought_back_the_rest_is_kept_and_the_controller_restarted(platform: None) -> None:
    config = kserve_config()
    intended = json.loads(config["data"]["ingress"])
    changed = {**intended, "ingressDomain": "elsewhere.test", FOREIGN: "https"}
    before = restarted_at()
    _write_ingress(changed)
    try:
        told = portside(*INSTALL).stdout
        assert "KServe settings  changed (ingress), its controller restarted" in told
        after = kserve_config()
        assert json.loads(after["data"]["ingress"]) == {**intended, FOREIGN: "https"}
        assert after["data"].keys() == config["data"].keys()
        assert restarted_at() != before
    finally:
        _write_ingress(intended)
        kubectl("rollout", "restart", "deployment/kserve-controller-manager", "--namespace", "kserve")
        poll(ROLLOUT_SECONDS, "KServe's controller", _controller_is_back)


def _write_ingress(ingress: dict[str, Any]) -> None:
    patch = json.dumps({"data": {"ingress": json.dumps(ingress)}})
    words = ("patch", "configmap", "inferenceservice-config", "--namespace", "kserve", "--type", "merge")
    kubectl(*words, "--patch", patch)


def _controller_is_back() -> bool:
    words = ("rollout", "status", "deployment/kserve-controller-manager", "--namespace", "kserve", "--watch=false")
    return "successfully rolled out" in kubectl(*words, check=False)
