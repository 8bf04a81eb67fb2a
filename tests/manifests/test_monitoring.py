# SPDX-License-Identifier: Apache-2.0
"""Recording rules and alerts: each is tested and documented. What they compute is promtool's to test, in tests/e2e."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests/components/monitoring"
DOCS = (ROOT / "docs/monitoring.md").read_text()
CASES = {path.name: yaml.safe_load(path.read_text()) for path in (Path(__file__).parent / "monitoring").glob("*.yaml")}


def _rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in _rules("alerts.rules.yaml")]
RECORDS = [pytest.param(rule["record"], id=rule["record"]) for rule in _rules("recording.rules.yaml")]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_how_badly_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["annotations"]["runbook"] == f"docs/monitoring.md#{alert['alert'].lower()}"
    assert re.search(rf"^### {alert['alert']}$", DOCS, re.MULTILINE)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_in_which_it_is_raised(alert: dict[str, Any]) -> None:
    raised = {
        each["alertname"]
        for test in CASES["alerts.test.yaml"]["tests"]
        for each in test.get("alert_rule_test", [])
        if each["exp_alerts"]
    }
    assert alert["alert"] in raised


@pytest.mark.parametrize("record", RECORDS)
def test_a_recording_rule_has_a_case_and_a_line_in_the_documentation(record: str) -> None:
    expressions = [
        each["expr"] for test in CASES["recording.test.yaml"]["tests"] for each in test.get("promql_expr_test", [])
    ]
    assert any(record in expression for expression in expressions)
    level, metric, operation = record.split(":")
    assert f"`{level}:{metric}:" in DOCS
    assert operation in DOCS


def test_alerts_that_the_documentation_tells_of_exist() -> None:
    told = re.findall(r"^### (Portside\w+)$", DOCS, re.MULTILINE)
    assert told == [rule["alert"] for rule in _rules("alerts.rules.yaml")]


def test_the_query_that_is_tested_is_the_one_that_keda_asks() -> None:
    patches = yaml.safe_load((ROOT / "manifests/components/keda/requests-in-flight.yaml").read_text())
    (scaling,) = [patch["value"] for patch in patches if patch["path"] == "/spec/predictor/autoScaling"]
    asked = scaling["metrics"][0]["external"]["metric"]["query"]
    cases = CASES["recording.test.yaml"]["tests"]
    tested = [test for test in cases if asked in [each["expr"] for each in test["promql_expr_test"]]]
    assert sorted(len(test["promql_expr_test"][0]["exp_samples"]) for test in tested) == [1, 2]
