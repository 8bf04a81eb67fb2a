# SPDX-License-Identifier: Apache-2.0
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from predictors import load, pack
from predictors.serving.settings import Settings
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)
REQUEST = {"inputs": [{"name": "input", "datatype": "FP64", "shape": [2, 4], "data": X[[0, 99]].ravel().tolist()}]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("models")
    fast = LogisticRegression(max_iter=500).fit(X, Y)
    slow = HistGradientBoostingClassifier(max_iter=5).fit(X, Y)
    return [
        pack(fast, X, name="fast", version="1.0.0", out=out),
        pack(slow, X, name="slow", version="2.0.0", out=out, onnx=False),
    ]


@pytest.fixture(scope="module")
def server(folders: list[Path]) -> Iterator[RunningServer]:
    with serving(*folders, PREDICTOR_MAX_BODY_BYTES="100000") as running:
        yield running


@pytest.mark.parametrize("model", ["fast", "slow"])
def test_rest_answers_as_the_loaded_model_does(server: RunningServer, folders: list[Path], model: str) -> None:
    served = load(folders[["fast", "slow"].index(model)])
    expected = served.predict({"input": X[[0, 99]]})
    answer = server.infer(model, REQUEST)
    assert answer["model_name"] == model
    assert answer["model_version"] == served.version
    assert "id" not in answer
    got = {output["name"]: output["data"] for output in answer["outputs"]}
    assert got["label"] == expected["label"].tolist()
    assert got["probabilities"] == expected["probabilities"].ravel().tolist()


@pytest.mark.parametrize("protocol", [tritonclient.http, tritonclient.grpc], ids=["HTTP", "gRPC"])
@pytest.mark.parametrize("model", ["fast", "slow"])
def test_tritonclient_gets_the_same_answer(
    server: RunningServer, folders: list[Path], protocol: Any, model: str
) -> None:
    expected = load(folders[["fast", "slow"].index(model)]).predict({"input": X})
    port = server.http_port if protocol is tritonclient.http else server.grpc_port
    with protocol.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert client.is_server_live()
        assert client.is_model_ready(model)
        tensor = protocol.InferInput("input", list(X.shape), "FP64")
        tensor.set_data_from_numpy(X)
        answer = client.infer(model, [tensor], request_id="r-7")
    np.testing.assert_array_equal(answer.as_numpy("label"), expected["label"])
    np.testing.assert_array_equal(answer.as_numpy("probabilities"), expected["probabilities"])


def test_only_the_requested_outputs_come_back(server: RunningServer) -> None:
    answer = server.infer("fast", {**REQUEST, "outputs": [{"name": "label"}], "id": "one"})
    assert [output["name"] for output in answer["outputs"]] == ["label"]
    assert answer["id"] == "one"


def test_a_version_is_part_of_the_address(server: RunningServer) -> None:
    assert server.post("/v2/models/fast/versions/1.0.0/infer", REQUEST)[0] == 200
    status, answer = server.post("/v2/models/fast/versions/9/infer", REQUEST)
    assert (status, answer) == (404, {"error": 'model "fast" is served in version 1.0.0, not "9"'})


def test_v1_goes_on_working(server: RunningServer, folders: list[Path]) -> None:
    expected = load(folders[0]).predict({"input": X[:2]})["label"].tolist()
    status, answer = server.post("/v1/models/fast:predict", {"instances": X[:2].tolist()})
    assert status == 200
    assert [row["label"] for row in answer["predictions"]] == expected


@pytest.mark.parametrize("path", ["/v2/models/slow", "/v2/models/slow/versions/2.0.0"])
def test_metadata_tells_the_signature(server: RunningServer, path: str) -> None:
    assert server.get(path) == (
        200,
        {
            "name": "slow",
            "versions": ["2.0.0"],
            "platform": "portside_estimator",
            "inputs": [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}],
            "outputs": [
                {"name": "label", "datatype": "INT64", "shape": [-1]},
                {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
            ],
        },
    )


ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "/v2/health/live": (200, {"live": True}),
    "/v2/health/ready": (200, {"ready": True}),
    "/v2/models": (200, {"models": ["fast", "slow"]}),
    "/v2/models/fast/ready": (200, {"name": "fast", "ready": True}),
    "/v2/models/fast/versions/1.0.0/ready": (200, {"name": "fast", "ready": True}),
    "/v2/models/nope": (404, {"error": 'no model "nope" is served here; there is "fast", "slow"'}),
    "/v2/models/fast/versions/3": (404, {"error": 'model "fast" is served in version 1.0.0, not "3"'}),
}


@pytest.mark.parametrize(("path", "expected"), ANSWERS.items(), ids=ANSWERS)
def test_health_and_index_answer_as_the_protocol_says(
    server: RunningServer, path: str, expected: tuple[int, dict[str, Any]]
) -> None:
    assert server.get(path) == expected


def test_the_server_tells_its_name_and_extensions(server: RunningServer) -> None:
    status, metadata = server.get("/v2")
    assert (status, metadata["name"], metadata["extensions"]) == (200, "portside", ["binary_tensor_data", "statistics"])


REFUSED: dict[str, tuple[str, Any, int]] = {
    "an unknown model": ("/v2/models/nope/infer", REQUEST, 404),
    "an unknown path": ("/v2/nope", REQUEST, 404),
    "malformed JSON": ("/v2/models/fast/infer", b"{", 400),
    "another datatype": (
        "/v2/models/fast/infer",
        {"inputs": [{"name": "input", "datatype": "BYTES", "shape": [1, 4], "data": ["a"] * 4}]},
        400,
    ),
    "a body over the limit": ("/v2/models/fast/infer", b" " * 100_001, 413),
    "V1 without instances": ("/v1/models/fast:predict", {"rows": []}, 400),
    "too few values": (
        "/v2/models/slow/infer",
        {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [[1, 2, 3]]}]},
        400,
    ),
}


@pytest.mark.parametrize(("path", "document", "status"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_one_sentence_with_the_right_status(
    server: RunningServer, path: str, document: Any, status: int
) -> None:
    got, answer = server.post(path, document)
    assert got == status
    assert set(answer) == {"error"}
    assert "Traceback" not in answer["error"]
    assert server.infer("fast", REQUEST)["outputs"]


def test_another_method_is_refused(server: RunningServer) -> None:
    assert server.get("/v2/models/fast/infer") == (405, {"error": "/v2/models/fast/infer takes POST"})


def test_grpc_refuses_with_the_right_status(server: RunningServer) -> None:
    tensor = tritonclient.grpc.InferInput("nope", [1, 4], "FP64")
    tensor.set_data_from_numpy(X[:1])
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        with pytest.raises(tritonclient.grpc.InferenceServerException) as unknown_input:
            client.infer("fast", [tensor])
        with pytest.raises(tritonclient.grpc.InferenceServerException) as unknown_model:
            client.infer("nope", [tensor])
        with pytest.raises(tritonclient.grpc.InferenceServerException) as unknown_version:
            client.infer("fast", [tensor], model_version="9")
    assert unknown_input.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert unknown_model.value.status() == "StatusCode.NOT_FOUND"
    assert unknown_version.value.status() == "StatusCode.NOT_FOUND"


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_models_are_neither_loaded_nor_unloaded_over_the_network(server: RunningServer, verb: str) -> None:
    status, answer = server.post(f"/v2/repository/models/fast/{verb}", {})
    assert (status, set(answer)) == (400, {"error"})
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert client.is_model_ready("fast")
    assert server.post("/v1/models/fast:predict", {"instances": X[:1].tolist()})[0] == 200


def test_a_signal_ends_the_server_with_exit_code_0(folders: list[Path]) -> None:
    with serving(folders[0]) as running:
        assert running.infer("fast", REQUEST)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0


def test_several_workers_answer_and_a_killed_one_is_replaced(folders: list[Path]) -> None:
    with serving(*folders, options=("--workers", "2")) as running:
        first = _workers(running.process.pid, 2)
        assert running.infer("slow", REQUEST)
        os.kill(first[0], signal.SIGKILL)
        second = _workers(running.process.pid, 2, without=first[0])
        assert first[1] in second
        answers = [running.infer(model, REQUEST) for model in ("fast", "slow") * 5]
        assert len(answers) == 10
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0


def _workers(pid: int, count: int, without: int = 0) -> list[int]:
    """Return the process's children once there are that many others than the one left out."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = [int(child) for child in children if int(child) != without]
        if len(found) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not {count} workers: {found}")


def _run(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environ})


def test_a_taken_port_is_told_at_once_with_its_mend(folders: list[Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _run("portside", "serve", str(folders[0]), "--http-port", port)
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--http-port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_setting_stops_the_start_by_name(folders: list[Path]) -> None:
    ended = _run("portside", "serve", str(folders[0]), PREDICTOR_WROKERS="2")
    assert ended.returncode == 2
    assert "PREDICTOR_WROKERS" in ended.stderr


def test_variables_that_kubernetes_makes_for_services_are_no_settings() -> None:
    links = {
        "PREDICTOR_PORT": "tcp://10.0.0.1:80",
        "PREDICTOR_PORT_80_TCP_ADDR": "10.0.0.1",
        "PREDICTOR_SERVICE_HOST": "10.0.0.1",
        "PREDICTOR_HTTP_PORT": "tcp://10.0.0.1:80",
        "PREDICTOR_CANARY_SERVICE_PORT_HTTP": "80",
    }
    assert Settings.from_env(links) == Settings()
    assert Settings.from_env({**links, "PREDICTOR_HTTP_PORT": "9000"}).http_port == 9000


def test_two_models_of_one_name_are_refused(folders: list[Path]) -> None:
    ended = _run("portside", "serve", str(folders[0]), str(folders[0]), "--http-port", "0", "--grpc-port", "0")
    assert ended.returncode == 2
    assert 'a model named "fast" is served already' in ended.stderr


def test_the_container_entry_serves_under_the_name_that_kserve_gives(folders: list[Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["--model_name=given", f"--model_dir={folders[0]}", f"--http_port={port}", "--grpc_port=0"]
    process = subprocess.Popen([sys.executable, "-m", "predictors", *words], stderr=subprocess.DEVNULL)
    try:
        running = RunningServer(process, port)  # type: ignore[arg-type]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if running.get("/v2/models/given/ready")[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        assert running.infer("given", REQUEST)["model_name"] == "given"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_container_entry_refuses_a_bad_artifact_with_exit_code_2(tmp_path: Path) -> None:
    ended = _run("predictors", f"--model_dir={tmp_path}", "--http_port=0", "--grpc_port=0")
    assert ended.returncode == 2
    assert "artifact.json" in ended.stderr
    assert "Traceback" not in ended.stderr
