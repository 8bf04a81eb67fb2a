# SPDX-License-Identifier: Apache-2.0
"""Counts as real servers tell them, read from their metrics: by the pods themselves, and by Prometheus."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import numpy as np
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictors import pack
from rollouts.measurements.exposition import read_exposition
from rollouts.measurements.pod_source import PodSource
from rollouts.measurements.prometheus_source import PrometheusSource
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod
from tests.predictors.grpc_client import grpc_client, raw_request
from tests.predictors.servers import RunningServer, serving
from tests.rollouts.reached_cluster import reached_cluster

X, Y = load_iris(return_X_y=True)
#: Names that have to be escaped in the metrics, and one that looks like the end of a line of them.
CLASSES = np.array(['quoted "x"', "two\nlines \\n", 'bin="y"} 7'], dtype=object)
ROWS = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    out = tmp_path_factory.mktemp("models")
    model = LogisticRegression(max_iter=500).fit(X, CLASSES[Y])
    folders = [pack(model, X, name=name, version="1.0.0", out=out, onnx=False) for name in ("iris", "other")]
    with serving(*folders, options=("--workers", "2")) as running:
        yield running


@pytest.fixture(scope="module")
def asked(server: RunningServer) -> Snapshot:
    """What a client knows of the requests that it sent, but for their times."""
    labels: Counter[str] = Counter()
    with grpc_client(server.grpc_port) as client:
        for place in range(ROWS):
            row = X[place * 10 : place * 10 + 1]
            answer = server.infer("iris", document(row))
            labels.update(answer["outputs"][0]["data"])
            client.infer(raw_request("iris", {"input": ("FP64", row)}))
        server.infer("other", document(X[:3]))
        assert server.post("/v2/models/iris/infer", b"{")[0] == 400
    assert labels.keys() == set(CLASSES)
    return Snapshot(
        requests=2 * ROWS + 1,
        rows=2 * ROWS,
        outputs={"label": {name: 2 * count for name, count in labels.items()}},
    )


def document(rows: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "input", "datatype": "FP64", "shape": rows.shape, "data": rows.ravel().tolist()}]}


def exposition(server: RunningServer) -> str:
    with urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=30) as response:
        text: str = response.read().decode()
    return text


def check(found: Snapshot | None, asked: Snapshot) -> None:
    assert found is not None
    assert (found.requests, found.failed, found.rows) == (asked.requests, asked.failed, asked.rows)
    assert found.outputs["label"] == asked.outputs["label"]
    assert sum(found.seconds.values()) == asked.requests


def test_a_snapshot_is_what_the_client_sent(server: RunningServer, asked: Snapshot) -> None:
    check(read_exposition(exposition(server), "iris"), asked)


def test_bins_of_time_are_those_of_all_protocols_together(server: RunningServer, asked: Snapshot) -> None:
    text = exposition(server)
    found = read_exposition(text, "iris")
    assert found is not None
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "portside_request_duration_seconds_bucket" and sample.labels["model"] == "iris"
    ]
    assert {sample.labels["protocol"] for sample in samples} == {"rest", "grpc", "v1"}
    assert len({sample.labels["le"] for sample in samples}) == 52
    for bound in {sample.labels["le"] for sample in samples}:
        expected = sum(sample.value for sample in samples if sample.labels["le"] == bound)
        assert asked.requests - found.slower_than(float(bound)) == expected
    assert found.seconds.keys() <= {sample.labels["le"] for sample in samples}
    assert all(found.seconds.values())


def test_failed_are_the_answers_of_5xx_alone() -> None:
    lines = [
        f'portside_requests_total{{code="{code}",model="m",protocol="{protocol}",version="1"}} {count}'
        for code, protocol, count in (
            ("200", "rest", "5.0"), ("400", "rest", "1.0"), ("429", "rest", "2.0"), ("500", "rest", "3.0"),
            ("503", "grpc", "4.0"), ("504", "v1", "1.2e+06"),
        )
    ]  # fmt: skip
    found = read_exposition("\n".join([*lines, 'portside_rows_total{model="m",version="1"} 5.0']), "m")
    assert found == Snapshot(requests=1_200_015, failed=1_200_007, rows=5)


@pytest.mark.parametrize("text", ["", "<html>busy</html>", 'portside_rows_total{model="mm",version="1"} 5.0'])
def test_what_does_not_tell_of_the_model_is_no_snapshot(text: str) -> None:
    assert read_exposition(text, "m") is None


# Pods


def pods_of(*names: str) -> list[Pod]:
    return [Pod(name=name, key=f"uid-{name}/0", ready=True) for name in names]


def telling(line: str) -> Callable[[object], bytes]:
    return lambda _: f"{line}\n".encode()


def test_pods_are_asked_through_the_api_server_and_silent_ones_left_out(
    server: RunningServer, asked: Snapshot, tmp_path: Path
) -> None:
    with reached_cluster(tmp_path) as (state, cluster), ThreadPoolExecutor(2) as executor:
        place = "/api/v1/namespaces/models/pods/{}:8080/proxy/metrics"
        for name in ("a", "b"):
            state.others[place.format(name)] = lambda _: exposition(server).encode()
        state.others[place.format("odd")] = lambda _: b"<html>busy</html>"
        broken = {
            "words": 'portside_rows_total{model="iris"} many',
            "infinite": 'portside_rows_total{model="iris"} +Inf',
            "undefined": 'portside_rows_total{model="iris"} NaN',
            "unlabelled": 'portside_requests_total{model="iris"} 5.0',
        }
        for name, line in broken.items():
            state.others[place.format(name)] = telling(line)
        waiting = Pod(name="waiting", key="uid-waiting/0")
        pods = [*pods_of("a", "odd", *broken, "gone", "b"), waiting]
        found = PodSource(cluster, executor).snapshots("models", "iris", pods)
    assert found.keys() == {"uid-a/0", "uid-b/0"}
    for each in found.values():
        check(each, asked)


# Prometheus


@contextmanager
def prometheus(answer: Any) -> Iterator[tuple[str, list[str]]]:
    """Stand in for Prometheus; gives its URL and the queries it gets."""
    queries: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            assert url.path == "/api/v1/query"
            queries.extend(parse_qs(url.query)["query"])
            body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/", queries
        finally:
            listening.shutdown()
            thread.join()


def vector(text: str, *pods: str) -> Any:
    """Return an exposition as Prometheus' answer to a query, for several pods."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    result: list[dict[str, Any]] = [
        {
            "metric": {**_scraped(sample.labels), "__name__": sample.name, "pod": pod, "namespace": "models"},
            "value": [1767605400.25, f"{sample.value:g}"],
        }
        for pod in pods
        for sample in samples
        if sample.name.startswith(("portside_requests_total", "portside_rows", "portside_outputs"))
        or sample.name == "portside_request_duration_seconds_bucket"
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def _scraped(labels: dict[str, str]) -> dict[str, str]:
    """Return labels as Prometheus 3 keeps them: bounds are written as floats."""
    if labels.get("le", "+Inf") == "+Inf":
        return labels
    return {**labels, "le": str(float(labels["le"]))}


def test_prometheus_tells_the_same_as_the_pods(server: RunningServer, asked: Snapshot) -> None:
    text = exposition(server)
    with prometheus(vector(text, "a", "b", "of-another-arm")) as (url, queries):
        found = PrometheusSource(url).snapshots("models", "iris", pods_of("a", "b", "unknown"))
    direct = read_exposition(text, "iris")
    assert found == {"uid-a/0": direct, "uid-b/0": direct}
    check(direct, asked)
    assert 'namespace="models",service="iris"' in queries[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON",
        {"status": "error", "error": "busy"},
        {"data": {"result": [{"metric": {}, "value": [0, "1"]}]}},
        {"data": {"result": [{"metric": {"pod": "a", "__name__": "portside_rows_total"}, "value": [0, "+Inf"]}]}},
        [],
    ],
    ids=["no JSON", "an error", "no pods", "no finite count", "a list"],
)
def test_a_prometheus_that_answers_otherwise_tells_nothing_and_is_told_of_once(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with prometheus(answer) as (url, _):
        source = PrometheusSource(url)
        assert source.snapshots("models", "iris", pods_of("a")) == {}
        assert source.snapshots("models", "iris", pods_of("a")) == {}
    assert len(caplog.records) == 1
    assert "Prometheus tells no counts" in caplog.text


def test_a_prometheus_that_is_not_there_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with prometheus({}) as (gone, _):
        pass
    assert PrometheusSource(gone).snapshots("models", "iris", pods_of("a")) == {}
    assert "Connection refused" in caplog.text


def test_prometheus_is_asked_over_http_alone() -> None:
    with pytest.raises(ValueError, match="http or https"):
        PrometheusSource("file:///etc/passwd")
