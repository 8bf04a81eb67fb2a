# SPDX-License-Identifier: Apache-2.0
"""Looking over a cluster: one that is well, a namespace that is not, an image that cannot be pulled."""

import json
from typing import Any

import pytest

from tests.e2e.kubernetes import poll, restricted_namespace
from tests.e2e.serving_pod import plain_pod
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PULL_SECONDS = 60


def findings(*words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = portside("doctor", "--json", *words, check=False)
    return ended.returncode, json.loads(ended.stdout)


def test_a_cluster_with_the_platform_is_well(platform: None) -> None:
    code, found = findings()
    assert [one for one in found if one["state"] == "problem"] == []
    assert code == 0
    told = {one["check"]: one["told"] for one in found}
    assert {"KServe", "KServe settings", "Gateway API", "Gateway", "runtime", "metrics API", "KEDA"} <= told.keys()
    assert "http 80 (NodePort 30080), grpc 8081 (NodePort 30081)" in told["Gateway"]
    assert "object-store" in told["storage secret"]


def test_a_namespace_that_the_gateway_takes_no_routes_from_is_a_problem_with_a_remedy(platform: None) -> None:
    with restricted_namespace() as namespace:
        code, found = findings("--namespace", namespace.name)
    assert code == 1
    problems = {one["check"]: one for one in found if one["state"] == "problem"}
    assert problems.keys() == {"namespace", "storage secret"}
    assert problems["namespace"]["remedy"] == f"kubectl label namespace {namespace.name} portside.dev/gateway=true"


def test_an_image_that_cannot_be_pulled_is_named(platform: None) -> None:
    image = "registry.invalid/portside/predictor:0.1.0"
    with restricted_namespace() as namespace:
        namespace.create(plain_pod(image, {}))
        told = poll(PULL_SECONDS, "the pull to fail", lambda: _pull_problem(namespace.name))
    assert told.startswith(f"pod serving cannot have {image}: ")


def _pull_problem(namespace: str) -> str | None:
    _, found = findings("--namespace", namespace)
    told = [one["told"] for one in found if one["check"] == "image pull" and one["state"] == "problem"]
    return str(told[0]) if told else None
