# SPDX-License-Identifier: Apache-2.0
"""What servers write down: their own log, and the predictions they were told to keep."""

import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import grpc
import numpy as np
import numpy.typing as npt
import orjson
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from predictors import pack
from tests.predictors.gates import BROKEN, LOADS_GATES, Gate
from tests.predictors.grpc_client import grpc_client, raw_request
from tests.predictors.scraping import scrape, until, value
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out, gate = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("gate")
    models = {
        "fast": LogisticRegression(max_iter=500),
        "slow": make_pipeline(Gate(str(gate)), HistGradientBoostingClassifier(max_iter=5)),
    }
    return {
        name: pack(model.fit(X, Y), X, name=name, version="1.2.0", out=out, onnx=False)
        for name, model in models.items()
    }


def document(rows: npt.NDArray[np.float64], **more: Any) -> dict[str, Any]:
    tensor = {"name": "input", "datatype": "FP64", "shape": rows.shape, "data": rows.ravel().tolist()}
    return {"inputs": [tensor], **more}


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_predictions_of_all_workers_are_logged_into_one_file(folders: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "predictions.jsonl"
    environ = {
        "PREDICTOR_LOG_PREDICTIONS": str(file),
        "PREDICTOR_LOG_RATE": "0.5",
        "PREDICTOR_LOG_REDACT": "probabilities",
    }
    ids = [f"order-{number}" for number in range(100)]
    rows = {request_id: X[place : place + 1] for place, request_id in enumerate(ids)}
    with serving(folders["fast"], options=("--workers", "2"), **environ) as server:
        with grpc_client(server.grpc_port) as client:
            for request_id in ids[::2]:
                server.post("/v2/models/fast/infer", document(rows[request_id], id=request_id), traceparent=TRACE)
            for request_id in ids[1::2]:
                message = raw_request("fast", {"input": ("FP64", rows[request_id])}, id=request_id)
                client.infer(message, metadata=[("traceparent", TRACE), ("x-request-id", "another")])
        header = next(name for name in map(str, range(100)) if crc32(name.encode()) < 2**31)
        assert server.post("/v2/models/fast/infer", document(X[:1]), x_request_id=header)[0] == 200
        assert server.post("/v2/models/fast/infer", b"{", x_request_id=header)[0] == 400
        expected = {name for name in ids if crc32(name.encode()) < 2**31} | {header}
        until(lambda: _logged(server, "written") == len(expected), "all of them are written")
        assert _logged(server, "dropped") == _logged(server, "failed") == 0
    records = {record["request_id"]: record for record in map(orjson.loads, file.read_bytes().splitlines())}
    assert records.keys() == expected
    assert {record["protocol"] for record in records.values()} == {"rest", "grpc"}
    told = {name: record for name, record in records.items() if name != header}
    assert {(one["model"], one["version"], one["traceparent"]) for one in told.values()} == {("fast", "1.2.0", TRACE)}
    assert {name: one["inputs"][0]["data"] for name, one in told.items()} == {
        name: rows[name].ravel().tolist() for name in told
    }
    redacted = {"name": "probabilities", "datatype": "FP64", "shape": [1, 3], "redacted": True}
    assert [one["outputs"][1] for one in told.values()] == [redacted] * len(told)


def _logged(server: RunningServer, result: str) -> float:
    return value(scrape(server.http_port), "portside_logged_predictions_total", result=result)


def test_a_request_without_an_id_goes_by_that_of_its_header(folders: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "predictions.jsonl"
    environ = {"PREDICTOR_LOG_PREDICTIONS": str(file), "PREDICTOR_LOG_RATE": "0.5"}
    headers = {protocol: [f"{protocol}-{number}" for number in range(20)] for protocol in ("rest", "grpc", "v1")}
    with serving(folders["fast"], options=(), **environ) as server:
        with grpc_client(server.grpc_port) as client:
            for header in headers["rest"]:
                # An id that says nothing is none.
                server.post("/v2/models/fast/infer", document(X[:1], id=""), x_request_id=header)
            for header in headers["v1"]:
                server.post("/v1/models/fast:predict", {"instances": X[:1].tolist()}, x_request_id=header)
            message = raw_request("fast", {"input": ("FP64", X[:1])})
            for header in headers["grpc"]:
                client.infer(message, metadata=[("x-request-id", header)])
        expected = [(name, header) for name in headers for header in headers[name] if crc32(header.encode()) < 2**31]
        until(lambda: _logged(server, "written") == len(expected), "all of them are written")
    records = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert sorted((record["protocol"], record["request_id"]) for record in records) == sorted(expected)
    assert {name for name, _ in expected} == headers.keys()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "a tensor that no model has": ({"PREDICTOR_LOG_REDACT": "probability"}, "PREDICTOR_LOG_REDACT"),
    "a folder that is not there": ({"PREDICTOR_LOG_PREDICTIONS": "{folder}/none/log"}, "PREDICTOR_LOG_PREDICTIONS"),
    "an unknown scheme": ({"PREDICTOR_LOG_PREDICTIONS": "ftp://user:secret@host/"}, "PREDICTOR_LOG_PREDICTIONS"),
    "no target": ({"PREDICTOR_LOG_PREDICTIONS": ""}, "PREDICTOR_LOG_PREDICTIONS"),
    "a rate above 1": ({"PREDICTOR_LOG_RATE": "2"}, "PREDICTOR_LOG_RATE"),
    "an unknown level": ({"PREDICTOR_LOG_LEVEL": "loud"}, "PREDICTOR_LOG_LEVEL"),
}


@pytest.mark.parametrize(("environ", "named"), WRONG.values(), ids=WRONG)
def test_a_log_that_cannot_be_kept_ends_the_start(
    folders: dict[str, Path], tmp_path: Path, environ: dict[str, str], named: str
) -> None:
    told = {name: text.format(folder=tmp_path) for name, text in environ.items()}
    words = [sys.executable, "-m", "portside", "serve", str(folders["fast"]), "--http-port", "0", "--grpc-port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, **told})
    assert ended.returncode == 2
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith(f"portside: {named}: ")
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


MARK = "Zanzibar"
MARK_NUMBER = 918273645.5


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> list[Path]:
    """A model of texts, one that refuses unknown texts by name, and one that breaks."""
    out = tmp_path_factory.mktemp("texts")
    texts = np.array(["good news", "bad news", "no news", "good day"], dtype=object)
    spam = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1, 0])
    places = np.array([["Oslo", "a"], ["Rome", "b"]] * 5, dtype=object)
    encode = make_column_transformer((OneHotEncoder(handle_unknown="error"), [0, 1]))
    strict = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=2)).fit(places, [0, 1] * 5)
    return [
        pack(spam, texts, name="text", version="1", out=out),
        pack(strict, places, name="strict", version="1", out=out, onnx=False),
        folders["slow"],
    ]


def texts_document(values: list[str], request_id: str) -> dict[str, Any]:
    return {"id": request_id, "inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(values)], "data": values}]}


@dataclass(frozen=True)
class Talk:
    """What a server logged, and the incidents that clients were told."""

    log: list[str]
    incidents: list[str]


@pytest.fixture(scope="module", params=["json", "text"])
def talk(talkative: list[Path], request: pytest.FixtureRequest) -> Talk:
    environ = {**LOADS_GATES, "PREDICTOR_LOG_LEVEL": "debug", "PREDICTOR_LOG_FORMAT": request.param}
    broken = np.array([[BROKEN, MARK_NUMBER, 1.0, 1.0]])
    with serving(*talkative, options=(), **environ) as server, grpc_client(server.grpc_port) as client:
        answers = [
            server.post("/v2/models/text/infer", texts_document([MARK], "r-1"), traceparent=TRACE),
            server.post("/v2/models/text/infer", {**texts_document([MARK], "r-2"), "inputs": [MARK]}),
            server.post("/v2/models/strict/infer", unknown_texts(server.get("/v2/models/strict")[1], "r-3")),
            server.post("/v2/models/slow/infer", document(broken, id="r-4")),
            server.post("/v2/models/text/infer", texts_document([MARK], "r-5\nforged")),
            server.post("/v1/models/slow:predict", {"instances": broken.tolist()}, x_request_id="r-6"),
        ]
        code, sentence = client.refusal(raw_request("slow", {"input": ("FP64", broken)}, id="r-7"))
        answers.append(server.post("/v2/models/text/infer", b"{" + MARK.encode(), x_request_id="r-8"))
    assert [status for status, _ in answers] == [200, 400, 400, 500, 200, 500, 400]
    assert code is grpc.StatusCode.INTERNAL
    sentences = (answers[3][1]["error"], answers[5][1]["error"], sentence)
    return Talk(server.log, [told.rsplit(" ", 1)[1] for told in sentences])


def test_logs_never_hold_what_requests_held(talk: Talk) -> None:
    log = "".join(talk.log)
    assert MARK not in log
    assert str(MARK_NUMBER) not in log


def test_no_client_writes_lines_of_its_own_into_the_log(talk: Talk) -> None:
    assert [line for line in talk.log if line.startswith("forged")] == []


def test_a_fault_is_logged_once_under_the_number_that_the_client_was_given(talk: Talk) -> None:
    log = "".join(talk.log)
    assert log.count("Traceback (most recent call last)") == len(talk.incidents) == 3
    assert [sum("failed to answer" in line and number in line for line in talk.log) for number in talk.incidents] == [
        1
    ] * 3


@pytest.mark.parametrize("talk", ["json"], indirect=True)
def test_every_request_is_one_line_of_json_at_debug(talk: Talk) -> None:
    lines = [orjson.loads(line) for line in talk.log]
    told = [line for line in lines if line["level"] == "debug" and "status" in line]
    assert [(line.get("request_id"), line["status"]) for line in told] == [
        ("r-1", 200),
        (None, 400),  # its id was never read
        ("r-3", 400),
        ("r-4", 500),
        ("r-5\nforged", 200),
        ("r-6", 500),
        ("r-7", 500),
        ("r-8", 400),
    ]
    first = told[0]
    assert (first["model"], first["version"], first["traceparent"]) == ("text", "1", TRACE)
    assert first["milliseconds"] > 0
    faults = [line for line in lines if line["level"] == "error"]
    assert [(line["request_id"], line["incident"]) for line in faults] == list(
        zip(("r-4", "r-6", "r-7"), talk.incidents, strict=True)
    )
    assert [("gates.py" in line["traceback"], "RuntimeError" in line["traceback"]) for line in faults] == [
        (True, True)
    ] * 3


def unknown_texts(metadata: Any, request_id: str) -> dict[str, Any]:
    """Return a request of a row that holds nothing but texts the model never saw."""
    inputs = [
        {**tensor, "shape": [1, *tensor["shape"][1:]], "data": [MARK] * math.prod(tensor["shape"][1:])}
        for tensor in metadata["inputs"]
    ]
    return {"id": request_id, "inputs": inputs}
