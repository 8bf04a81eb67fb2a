# SPDX-License-Identifier: Apache-2.0
"""What `portside status` and `portside logs` show."""

import json
from dataclasses import replace

from cluster.services.logs import Source, readable, sources
from cluster.services.status import Status, line, table, traffic
from tests.cluster.services.observations import OLD, observed, pod

READY = Status("iris", True, OLD, "1.0.0", (), 2, 2, {"iris-predictor": 100}, "http://iris.localhost:8080", None)


def test_the_table_names_a_reason_for_each_service_that_is_not_ready() -> None:
    reason = "1.1.0 is not ready, 1.0.0 goes on serving: no room"
    failing = replace(READY, service="spam", ready=False, version="1.1.0", former=("1.0.0",), reason=reason)
    assert table([READY, failing]).splitlines() == [
        "SERVICE  READY  VERSION         REPLICAS  TRAFFIC              ADDRESS",
        "iris     yes    1.0.0           2/2       100% iris-predictor  http://iris.localhost:8080",
        "spam     no     1.0.0 -> 1.1.0  2/2       100% iris-predictor  http://iris.localhost:8080",
        f"spam: {reason}",
    ]


def test_a_change_is_one_line() -> None:
    told = line(replace(READY, ready=False, reason="no room", traffic={}, address=""))
    assert told == "iris: no  1.0.0  2/2  none  -  (no room)"


def test_traffic_is_told_in_percent_of_the_weights() -> None:
    backends = [{"name": "iris-predictor", "weight": 4}, {"name": "iris-v2-predictor", "weight": 1}]
    assert traffic({"spec": {"rules": [{"backendRefs": backends}]}}) == {"iris-predictor": 80, "iris-v2-predictor": 20}
    assert traffic(None) == {}


def test_log_lines_become_readable_and_keep_their_fields() -> None:
    document = {"time": "T", "level": "info", "logger": "predictors", "message": "serving", "model": "iris"}
    text = json.dumps(document)
    assert readable(text) == "T info    serving (model=iris)"
    assert readable(f"pod-1 {text}") == "pod-1 T info    serving (model=iris)"
    assert readable(json.dumps({**document, "traceback": "Traceback\nX"})).endswith("(model=iris)\nTraceback\nX")


def test_lines_that_are_no_log_records_stay_as_they_are() -> None:
    lines = ["", "plain", "{broken", '{"a": 1}', "two words {}", "RuntimeError: {'a': 1}"]
    assert [readable(each) for each in lines] == lines


def test_logs_are_those_of_the_newest_pod_in_trouble() -> None:
    found = observed(pod(ready=True, template="old", source=OLD), pod(server={"ready": False, "state": {}}))
    assert sources(found, every=False) == [Source("iris-predictor-new-x1", "kserve-container")]
    assert len(sources(found, every=True)) == 2


def test_logs_are_the_initializers_while_the_server_has_never_started() -> None:
    found = observed(pod(initializer={"ready": False, "state": {"running": {}}}))
    assert sources(found, every=False) == [Source("iris-predictor-new-x1", "storage-initializer")]
