# SPDX-License-Identifier: Apache-2.0
"""Monitoring: the rules hold in promtool's tests, and Prometheus on the cluster reads what the models tell."""

import json
import subprocess
from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import pytest

from tests.e2e.gateway import Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.pods import ready_pods
from tests.e2e.prometheus import MONITORING, ROOT, promtool

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

RULE_TESTS = sorted((ROOT / "tests/manifests/monitoring").glob("*.test.yaml"))
SCRAPED_SECONDS = 60

_API = "/api/v1/namespaces/portside-system/services/prometheus:9090/proxy/api/v1"


def test_promtool_accepts_the_configuration_and_the_rules_it_names() -> None:
    _promtool("check", "config", "--lint=all", "--lint-fatal", str(MONITORING / "prometheus.yaml"))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(path: object) -> None:
    _promtool("test", "rules", str(path))


def test_prometheus_reads_every_ready_pod_and_knows_its_service(services: Mapping[str, Service]) -> None:
    def all_read() -> bool:
        read = {(each["service"], each["pod"]) for each, value in _query('up{job="predictors"}') if value == 1}
        return {(name, pod) for name in services for pod in ready_pods(name)} <= read

    poll(SCRAPED_SECONDS, "Prometheus to read every pod", all_read)


def test_requests_through_the_gateway_are_counted_on_both_sides(services: Mapping[str, Service]) -> None:
    poll(SCRAPED_SECONDS, "the first count", lambda: _sum(f"sum({_ANSWERED})"))
    before = _sum(f"sum({_ANSWERED})")
    for _ in range(20):
        services["spam"].rest({"text": np.array(["call me when you can"], dtype=object)})
    poll(SCRAPED_SECONDS, "20 more answers", lambda: (_sum(f"sum({_ANSWERED})") or 0) >= (before or 0) + 20)
    poll(SCRAPED_SECONDS, "their rate", lambda: (_sum(f"sum({_RATE})") or 0) > 0)
    poll(SCRAPED_SECONDS, "the gateway's count", lambda: (_sum(f"sum({_PASSED})") or 0) >= 20)


def test_every_rule_can_be_evaluated(services: Mapping[str, Service]) -> None:
    groups = json.loads(kubectl("get", "--raw", f"{_API}/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}


_ANSWERED = 'portside_requests_total{namespace="models",service="spam",code="200"}'
_RATE = 'namespace_service_version:portside_requests:rate1m{namespace="models",service="spam"}'
_PASSED = 'envoy_cluster_upstream_rq_xx{namespace="models",service="spam",envoy_response_code_class="2"}'


def _query(expression: str) -> list[tuple[dict[str, str], float]]:
    answer = json.loads(kubectl("get", "--raw", f"{_API}/query?query={quote(expression)}"))
    return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]


def _sum(expression: str) -> float | None:
    found = _query(expression)
    return found[0][1] if found else None


def _promtool(*words: str) -> None:
    done = subprocess.run([promtool(), *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
