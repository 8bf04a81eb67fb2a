# SPDX-License-Identifier: Apache-2.0
"""What a server tells of its work: metrics, statistics, logs and logged predictions, against what its clients saw."""

import math
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc
import tritonclient.http
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from predictors import load, pack
from predictors.artifact import REFERENCE
from predictors.loading import LoadPolicy
from predictors.reference import Reference
from predictors.served_model import ServedModel
from tests.predictors import gates
from tests.predictors.gates import BROKEN, LOADS_GATES, REFUSED, Gate
from tests.predictors.grpc_client import GrpcClient, grpc_client, raw_request
from tests.predictors.scraping import Series, scrape, until, value
from tests.predictors.servers import RunningServer, serving
from tests.predictors.steady_load import children_of

X, Y = load_iris(return_X_y=True)
#: A class that has a common name for "none of these": its bin and that of other values must not be confused.
CLASSES = np.array(["setosa", "other", "missing"], dtype=object)
MODELS = ("fast", "slow", "number")

Rows = npt.NDArray[np.float64]


@dataclass
class Asked:
    """What a client sent and what came of it, to be compared with what the server counted.

    Attributes:
        requests: By model, protocol and code.
        answered: By model, the rows of each request that got an answer.
    """

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    answered: dict[str, list[Rows]] = field(default_factory=lambda: {model: [] for model in MODELS})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out, gate = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("gate")
    fast = LogisticRegression(max_iter=500).fit(X, Y)
    slow = make_pipeline(Gate(str(gate)), HistGradientBoostingClassifier(max_iter=5)).fit(X, CLASSES[Y])
    number = HistGradientBoostingRegressor(max_iter=5).fit(X, X[:, 0])
    return {
        name: pack(model, X, name=name, version="1.2.0", out=out, onnx=False)
        for name, model in {"fast": fast, "slow": slow, "number": number}.items()
    }


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, ServedModel]:
    policy = LoadPolicy(allow_pickle=True, allow_imports=(gates.__name__,))
    return {name: load(folder, policy) for name, folder in folders.items()}


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def server(folders: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    environ = {**LOADS_GATES, "PREDICTOR_MAX_BODY_BYTES": "100000"}
    with serving(*folders.values(), options=("--workers", request.param), **environ) as running:
        yield running


def document(rows: Rows, **more: Any) -> dict[str, Any]:
    tensor = {"name": "input", "datatype": "FP64", "shape": rows.shape, "data": rows.ravel().tolist()}
    return {"inputs": [tensor], **more}


def ask_at_random(server: RunningServer, count: int, *, seed: int) -> Asked:
    """Send requests of all kinds, one after another."""
    chance = random.Random(seed)
    asked = Asked()
    kinds = ("one row", "some rows", "many rows", "malformed", "not scored", "broken", "too large", "no such version")
    with grpc_client(server.grpc_port) as client:
        for _ in range(count):
            model, protocol = chance.choice(MODELS), chance.choice(("rest", "rest", "grpc", "grpc", "v1"))
            kind = chance.choice(kinds)
            size = {"one row": 1, "some rows": chance.randint(2, 20), "many rows": chance.randint(70, 200)}.get(kind, 2)
            rows = X[[chance.randrange(len(X)) for _ in range(size)]] + chance.random()
            if model == "slow":
                rows[0, 0] = {"not scored": REFUSED, "broken": BROKEN}.get(kind, rows[0, 0])
            code = _ask(server, client, (protocol, model, kind), rows)
            # An unknown version is no model's request.
            asked.requests[model, protocol, code] += kind != "no such version" or protocol == "v1"
            if code == "200":
                asked.answered[model].append(rows)
    return asked


def _ask(server: RunningServer, client: GrpcClient, what: tuple[str, str, str], rows: Rows) -> str:
    protocol, model, kind = what
    if protocol == "grpc":
        fields = {"model_version": "9"} if kind == "no such version" else {}
        message = raw_request(model, {"nothing" if kind == "malformed" else "input": ("FP64", rows)}, **fields)
        return _HTTP[client.outcome(message)]
    if protocol == "v1":
        instances = {"rows" if kind == "malformed" else "instances": rows.tolist()}
        return str(server.post(f"/v1/models/{model}:predict", instances)[0])
    path = f"/v2/models/{model}/versions/9/infer" if kind == "no such version" else f"/v2/models/{model}/infer"
    bodies = {"malformed": b"{", "too large": b" " * 100_001}
    return str(server.post(path, bodies.get(kind, document(rows)))[0])


_HTTP = {
    grpc.StatusCode.OK: "200",
    grpc.StatusCode.INVALID_ARGUMENT: "400",
    grpc.StatusCode.NOT_FOUND: "404",
    grpc.StatusCode.INTERNAL: "500",
}


def grown(before: Mapping[Series, float], after: Mapping[Series, float], name: str, *labels: str) -> dict[Any, float]:
    """Return by how much each series of a name has grown, where it has, by the values of these labels."""
    found: dict[Any, float] = {}
    for (sample, has), number in after.items():
        growth = number - before.get((sample, has), 0.0)
        if sample == name and growth:
            key = tuple(dict(has)[label] for label in labels)
            found[key] = found.get(key, 0.0) + growth
    return found


def expected_outputs(models: Mapping[str, ServedModel], folders: Mapping[str, Path], asked: Asked) -> dict[Any, float]:
    """Return the counts of the outputs by model, output and place of the bin, as the bins themselves count."""
    counts: dict[Any, float] = {}
    for name, answered in asked.answered.items():
        reference = Reference.model_validate_json((folders[name] / REFERENCE).read_bytes())
        outputs = models[name].predict({"input": np.concatenate(answered)})
        for output, bins in reference.outputs.items():
            tensor, _, label = output.partition(".")
            array = outputs[tensor]
            if label:
                labels = list(map(str, models[name].signature.output(tensor).labels or ()))
                array = array[:, labels.index(label)]
            counts.update({(name, output, place): count for place, count in enumerate(bins.count(array)) if count})
    return counts


def outputs_by_place(before: Mapping[Series, float], after: Mapping[Series, float]) -> dict[Any, float]:
    """Return the growth of the outputs by model, output and place of the bin: series stand in the bins' order."""
    places: Counter[tuple[str, str]] = Counter()
    found: dict[Any, float] = {}
    for (sample, has), number in after.items():
        if sample == "portside_outputs_total":
            labels = dict(has)
            output = labels["model"], labels["output"]
            if number != before[sample, has]:
                found[*output, places[output]] = number - before[sample, has]
            places[output] += 1
    return found


def check(server: RunningServer, before: Mapping[Series, float], asked: Asked, models: Any, folders: Any) -> None:
    after = scrape(server.http_port)
    labels = ("model", "protocol", "code")
    assert grown(before, after, "portside_requests_total", *labels) == {
        key: n for key, n in asked.requests.items() if n
    }
    by_protocol: Counter[tuple[str, str]] = Counter()
    for (model, protocol, _), count in asked.requests.items():
        by_protocol[model, protocol] += count
    durations = grown(before, after, "portside_request_duration_seconds_count", "model", "protocol")
    assert durations == dict(by_protocol)
    rows = {(model,): sum(map(len, answered)) for model, answered in asked.answered.items()}
    assert grown(before, after, "portside_rows_total", "model") == rows
    assert outputs_by_place(before, after) == expected_outputs(models, folders, asked)
    assert {value(after, "portside_requests_in_flight", model=model) for model in MODELS} == {0}
    # One request at a time is a batch of its own; those that the scorer itself refused had one too.
    scored = {(model,): len(answered) for model, answered in asked.answered.items()}
    batches = grown(before, after, "portside_batch_rows_count", "model")
    waited = grown(before, after, "portside_queue_duration_seconds_count", "model")
    assert (batches["fast",], batches["number",]) == (scored["fast",], scored["number",])
    assert batches["slow",] == waited["slow",] >= scored["slow",]
    assert waited["number",] == scored["number",]


def test_metrics_are_what_clients_saw(
    server: RunningServer, models: dict[str, ServedModel], folders: dict[str, Path]
) -> None:
    before = scrape(server.http_port)
    asked = ask_at_random(server, 150, seed=1)
    assert {code for _, _, code in asked.requests} == {"200", "400", "404", "413", "500"}
    assert {protocol for _, protocol, code in asked.requests if code == "200"} == {"rest", "grpc", "v1"}
    check(server, before, asked, models, folders)


@pytest.mark.parametrize("server", ["2"], indirect=True, ids=["two workers"])
def test_metrics_go_on_where_a_worker_left_them(
    server: RunningServer, models: dict[str, ServedModel], folders: dict[str, Path]
) -> None:
    workers = children_of(server.process.pid)
    before = scrape(server.http_port)
    asked = ask_at_random(server, 60, seed=2)
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: len(set(children_of(server.process.pid)) - {workers[0]}) == len(workers), "it is replaced")
    more = ask_at_random(server, 60, seed=3)
    asked.requests.update(more.requests)
    for model, answered in more.answered.items():
        asked.answered[model] += answered
    check(server, before, asked, models, folders)


def test_metrics_tell_scorers_and_bounds(server: RunningServer) -> None:
    samples = scrape(server.http_port)
    scorers = {dict(has)["model"]: dict(has)["scorer"] for name, has in samples if name == "portside_scorer_info"}
    assert scorers == {"fast": "linear", "slow": "estimator", "number": "estimator"}
    for histogram in ("portside_request_duration_seconds_bucket", "portside_queue_duration_seconds_bucket"):
        bounds = sorted({float(dict(has)["le"]) for name, has in samples if name == histogram})
        assert (bounds[0], bounds[-2:]) == (0.0001, [10.0, math.inf])
        # A quarter more or less is another bin.
        assert len(bounds) == 52
        assert max(high / low for low, high in pairwise(bounds[:-1])) < 1.281


def test_statistics_are_what_clients_saw(server: RunningServer) -> None:
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http_port}") as client:
        before = client.get_inference_statistics("slow")["model_stats"][0]
        asked = ask_at_random(server, 60, seed=4)
        after = client.get_inference_statistics("slow")["model_stats"][0]
        with_version = client.get_inference_statistics("slow", "1.2.0")["model_stats"]
        everything = client.get_inference_statistics()["model_stats"]
    assert (after["name"], after["version"]) == ("slow", "1.2.0")
    # When the last one was is told in milliseconds since 1970, of a clock that goes on.
    assert [{**one, "last_inference": 0} for one in with_version] == [{**after, "last_inference": 0}]
    assert [one["name"] for one in everything] == list(MODELS)
    codes: Counter[bool] = Counter()
    for (model, _, code), count in asked.requests.items():
        codes[code == "200"] += count if model == "slow" else 0
    growth = {
        name: {key: part[key] - before["inference_stats"][name][key] for key in ("count", "ns")}
        for name, part in after["inference_stats"].items()
    }
    assert growth["success"]["count"] == codes[True]
    assert growth["fail"]["count"] == codes[False]
    assert {growth[name]["count"] for name in ("compute_input", "compute_infer", "compute_output")} == {codes[True]}
    assert min(part["ns"] for part in growth.values()) > 0
    assert growth["success"]["ns"] >= sum(growth[f"compute_{step}"]["ns"] for step in ("input", "infer", "output"))
    assert after["inference_count"] - before["inference_count"] == sum(map(len, asked.answered["slow"]))
    assert after["execution_count"] - before["execution_count"] >= codes[True]
    assert after["last_inference"] > before["last_inference"]
    assert server.get("/v2/models/slow/versions/9/stats")[0] == 404
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as rpc:
        told = rpc.get_inference_statistics("slow", as_json=True)["model_stats"][0]
    assert told["inference_stats"]["success"]["count"] == str(after["inference_stats"]["success"]["count"])
