# SPDX-License-Identifier: Apache-2.0
"""The load test's Jobs: they may do nothing but send, they find the Gateway, and they speak the command's language."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context

from loadtests.commands import loadtest
from tests.manifests.rendering import MANIFESTS, PLACES, needs_kubectl, one, render

pytestmark = needs_kubectl

COMPONENTS = MANIFESTS / "components"
OVERLAYS = MANIFESTS / "loadtests/overlays"
DISTRIBUTED = ("staging", "production")

#: What docs/loadtests.md shows, over the overlay of the place "kind" and with workers.
OWN = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: models
images: [{name: portside/loadtest, newTag: 0.1.0}]
configMapGenerator:
  - {name: loadtest, files: [slo.yaml], options: {disableNameSuffixHash: true}}
patches:
  - target: {kind: Job, name: loadtest.*}
    patch: |-
      - op: replace
        path: /spec/template/spec/containers/0/args
        value:
          - recommender
          - --host=http://recommender.localhost
          - --rate=900
          - --duration=120
          - --slo=/etc/loadtest/slo.yaml
  - target: {kind: Job, name: loadtest-workers}
    patch: |-
      - {op: replace, path: /spec/parallelism, value: 3}
  - target: {kind: Job, name: loadtest}
    patch: |-
      - {op: replace, path: /spec/template/spec/containers/0/command/4, value: --expect-workers=3}
"""


@pytest.mark.parametrize("place", PLACES)
def test_every_place_names_an_image(place: str) -> None:
    for container in _containers(place).values():
        name = container["image"].rsplit("/", 1)[1]
        assert name.startswith("loadtest@sha256:" if place == "production" else "loadtest:0.")


@pytest.mark.parametrize("place", PLACES)
def test_its_pods_may_do_nothing_but_send_and_judge(place: str) -> None:
    for job in _jobs(place).values():
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("place", PLACES)
def test_a_verdict_is_final(place: str) -> None:
    for job in _jobs(place).values():
        assert job["spec"]["backoffLimit"] == 0
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    (rule,) = _jobs(place)["loadtest"]["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [1, 2, 3])


@pytest.mark.parametrize("place", PLACES)
def test_it_is_told_the_host_that_the_place_gives_the_model(place: str) -> None:
    (route,) = one(render(MANIFESTS / "services/spam/overlays" / place), "HTTPRoute")["spec"]["hostnames"]
    for container in _containers(place).values():
        assert f"--host=http://{route}" in container["args"]


@pytest.mark.parametrize("place", PLACES)
def test_it_connects_to_the_gateways_own_service(place: str) -> None:
    gateway = one(render(MANIFESTS / "configs/overlays" / place), "Gateway")["metadata"]
    name = f"{gateway['namespace']}/{gateway['name']}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    service = f"envoy-{name.replace('/', '-')}-{digest}.envoy-gateway-system.svc"
    assert f"--connect-to={service}" in _containers(place)["loadtest"]["command"]


@pytest.mark.parametrize("place", PLACES)
def test_its_words_are_the_commands(place: str) -> None:
    for container in _containers(place).values():
        program, name, *words = container["command"] + container["args"]
        assert (program, name) == ("portside", "loadtest")
        loadtest.make_parser(Context(loadtest)).parse_args(words)


@pytest.mark.parametrize("place", DISTRIBUTED)
def test_the_judge_waits_for_as_many_workers_as_there_are_and_all_are_told_the_same(place: str) -> None:
    jobs, containers = _jobs(place), _containers(place)
    assert f"--expect-workers={jobs['loadtest-workers']['spec']['parallelism']}" in containers["loadtest"]["command"]
    assert containers["loadtest-workers"]["args"] == containers["loadtest"]["args"]
    assert containers["loadtest-workers"]["image"] == containers["loadtest"]["image"]


@pytest.mark.parametrize("place", DISTRIBUTED)
def test_workers_find_the_judge_by_its_service(place: str) -> None:
    service = one(render(OVERLAYS / place), "Service")
    judge = _jobs(place)["loadtest"]["spec"]["template"]["metadata"]["labels"]
    workers = _jobs(place)["loadtest-workers"]["spec"]["template"]["metadata"]["labels"]
    assert f"--worker-of={service['metadata']['name']}" in _containers(place)["loadtest-workers"]["command"]
    assert service["spec"]["selector"].items() <= judge.items()
    assert not service["spec"]["selector"].items() <= workers.items()


@pytest.mark.parametrize("place", PLACES)
def test_a_config_map_of_the_users_is_read_by_all_and_needed_by_none(place: str) -> None:
    for job in _jobs(place).values():
        pod = job["spec"]["template"]["spec"]
        assert {"name": "files", "configMap": {"name": "loadtest", "optional": True}} in pod["volumes"]
        assert {"name": "files", "mountPath": "/etc/loadtest", "readOnly": True} in pod["containers"][0]["volumeMounts"]


def test_its_network_policy_lets_it_reach_the_gateway_and_its_parts_one_another() -> None:
    policy = one(render(OVERLAYS / "kind"), "NetworkPolicy")["spec"]
    gateway = one(render(MANIFESTS / "configs/base"), "Gateway")["metadata"]
    pods = policy["podSelector"]["matchLabels"]
    (into,) = policy["ingress"]
    assert into == {"from": [{"podSelector": {"matchLabels": pods}}], "ports": [{"port": 5557, "protocol": "TCP"}]}
    (ports,) = [
        [port["port"] for port in rule["ports"]]
        for rule in policy["egress"]
        for peer in rule.get("to", [])
        if peer.get("podSelector", {}).get("matchLabels", {}).get("gateway.envoyproxy.io/owning-gateway-name")
        == gateway["name"]
    ]
    assert ports == [10080, 8081]


def test_a_kustomization_of_ones_own_changes_what_is_sent_and_what_must_be_met(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("latency: {p99: 1s}\n")
    overlay = {
        "resources": [os.path.relpath(OVERLAYS / "kind", tmp_path.resolve())],
        "components": [os.path.relpath(COMPONENTS / "loadtest-workers", tmp_path.resolve())],
    }
    (tmp_path / "kustomization.yaml").write_text(OWN + yaml.safe_dump(overlay))
    documents = render(tmp_path)
    jobs = {job["metadata"]["name"]: job for job in documents if job["kind"] == "Job"}
    containers = {name: job["spec"]["template"]["spec"]["containers"][0] for name, job in jobs.items()}
    asked = ["recommender", "--host=http://recommender.localhost", "--rate=900", "--duration=120"]
    asked += ["--slo=/etc/loadtest/slo.yaml"]
    assert one(documents, "ConfigMap")["data"] == {"slo.yaml": "latency: {p99: 1s}\n"}
    assert {name: container["args"] for name, container in containers.items()} == dict.fromkeys(jobs, asked)
    assert {container["image"] for container in containers.values()} == {"portside/loadtest:0.1.0"}
    assert jobs["loadtest-workers"]["spec"]["parallelism"] == 3
    assert "--expect-workers=3" in containers["loadtest"]["command"]
    assert "--expect-workers=2" not in containers["loadtest"]["command"]


def _jobs(place: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in render(OVERLAYS / place) if each["kind"] == "Job"}


def _containers(place: str) -> dict[str, dict[str, Any]]:
    return {name: job["spec"]["template"]["spec"]["containers"][0] for name, job in _jobs(place).items()}
