# SPDX-License-Identifier: Apache-2.0
"""The serving image under Vertex AI's contract: its variables, artifacts from Cloud Storage, instances, predictions."""

import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from predictors.errors import ArtifactError, SettingsError
from predictors.vertex.contract import contract_of
from predictors.vertex.storage import download
from tests.predictors.fake_cloud_storage import FakeCloudStorage, fake_cloud_storage
from tests.predictors.protocol_models import X, pack_models
from tests.predictors.servers import RunningServer

HEALTH, PREDICT = "/vertex/health", "/vertex/predict"
URI = "gs://models/spam/1.0.0"
_SERVING = re.compile(r"serving .* on http://[\d.]+:(\d+)")
_NAMES = ("linear", "text", "maintenance", "recommender")
MACHINES = [
    {"product_type": "H", "torque": 40.5, "tool_wear": 8},
    {"product_type": "L", "torque": 60.0, "tool_wear": 200},
]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pack_models(tmp_path_factory.mktemp("vertex"), *_NAMES)


@pytest.fixture
def storage() -> Iterator[FakeCloudStorage]:
    with fake_cloud_storage() as fake:
        yield fake


def _start(*words: str, **environ: str) -> subprocess.Popen[str]:
    contract = {
        "AIP_HTTP_PORT": "0",
        "AIP_HEALTH_ROUTE": HEALTH,
        "AIP_PREDICT_ROUTE": PREDICT,
        "AIP_MODE": "PREDICTION",
    }
    ours = {"PREDICTOR_HOST": "127.0.0.1", "PREDICTOR_ENABLE_GRPC": "false", "PREDICTOR_DRAIN_SECONDS": "0"}
    env = {**os.environ, **ours, **contract, "PREDICTOR_ALLOW_PICKLE": "true", **environ}
    return subprocess.Popen([sys.executable, "-m", "predictors", *words], stderr=subprocess.PIPE, text=True, env=env)


@contextmanager
def vertex(*words: str, **environ: str) -> Iterator[RunningServer]:
    """Run the image's entry under the contract until the block ends."""
    with _answering(_start(*words, **environ)) as server:
        yield server


@contextmanager
def _answering(process: subprocess.Popen[str]) -> Iterator[RunningServer]:
    with process:
        assert process.stderr is not None
        server = RunningServer(process)
        for line in process.stderr:
            server.log.append(line)
            found = _SERVING.search(line)
            if found:
                server.http_port = int(found[1])
                break
        reader = threading.Thread(target=lambda: server.log.extend(process.stderr or ()))
        reader.start()
        try:
            assert server.http_port, f"it ended: {server.log}"
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            reader.join()


def ends(*words: str, **environ: str) -> str:
    """Return the last line of an entry that must refuse to start."""
    with _start(*words, **environ) as process:
        _, log = process.communicate(timeout=60)
    assert process.returncode == 2, log
    message = orjson.loads(log.splitlines()[-1])["message"]
    assert isinstance(message, str)
    return message


@pytest.fixture(scope="module")
def servers(artifacts: dict[str, Path]) -> Iterator[dict[str, RunningServer]]:
    """One server for each model, of artifacts that the image holds."""
    started = [
        _start(f"--model_dir={artifacts[name]}", AIP_STORAGE_URI="", PREDICTOR_MAX_BODY_BYTES="200000")
        for name in _NAMES
    ]
    with ExitStack() as running:
        yield {name: running.enter_context(_answering(one)) for name, one in zip(_NAMES, started, strict=True)}


def predict(server: RunningServer, document: Any, **headers: str) -> tuple[int, Any]:
    return server.post(PREDICT, document, **headers)


def predictions(server: RunningServer, instances: list[Any], **parameters: Any) -> list[Any]:
    document = {"instances": instances, **({"parameters": parameters} if parameters else {})}
    status, answer = predict(server, document)
    assert status == 200, answer
    assert list(answer) == ["predictions"]
    found: list[Any] = answer["predictions"]
    return found


def v2(server: RunningServer, model: str, **tensors: tuple[str, list[int], list[Any]]) -> dict[str, Any]:
    """Return the outputs of a V2 request by their names, flat."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "data": data}
        for name, (datatype, shape, data) in tensors.items()
    ]
    return {output["name"]: output["data"] for output in server.infer(model, {"inputs": inputs})["outputs"]}


def test_the_health_route_answers_as_soon_as_the_model_is_ready(servers: dict[str, RunningServer]) -> None:
    assert servers["linear"].get(HEALTH) == (200, {"ready": True})


def test_other_methods_of_the_two_routes_are_told_which_one_they_take(servers: dict[str, RunningServer]) -> None:
    assert servers["linear"].get(PREDICT)[0] == 405
    assert servers["linear"].post(HEALTH, {}) == (405, {"error": "/vertex/health takes GET"})


def test_rows_of_a_matrix_are_answered_with_the_very_numbers_of_v2(servers: dict[str, RunningServer]) -> None:
    rows = X[::25].tolist()
    outputs = v2(servers["linear"], "linear", input=("FP64", [len(rows), 4], rows))
    found = predictions(servers["linear"], rows)
    assert [row["label"] for row in found] == outputs["label"]
    assert [value for row in found for value in row["probabilities"]] == outputs["probabilities"]
    assert found == predictions(servers["linear"], [{"input": row} for row in rows])


def test_bare_texts_are_answered_with_the_very_values_of_v2(servers: dict[str, RunningServer]) -> None:
    texts = ["win a prize now", "see you at home", "naïve 漢字"]
    (name,) = (tensor["name"] for tensor in servers["text"].get("/v2/models/text")[1]["inputs"])
    outputs = v2(servers["text"], "text", **{name: ("BYTES", [3], texts)})
    found = predictions(servers["text"], texts)
    assert [row["label"] for row in found] == outputs["label"]
    assert [value for row in found for value in row["probabilities"]] == outputs["probabilities"]


def test_objects_keyed_by_inputs_are_answered_by_objects_keyed_by_outputs(servers: dict[str, RunningServer]) -> None:
    outputs = v2(
        servers["maintenance"],
        "maintenance",
        product_type=("BYTES", [2], ["H", "L"]),
        torque=("FP64", [2], [40.5, 60.0]),
        tool_wear=("INT64", [2], [8, 200]),
    )
    found = predictions(servers["maintenance"], MACHINES)
    assert {name: [row[name] for row in found] for name in outputs} == outputs


def test_whole_floats_stand_for_integers_as_vertex_makes_of_them(servers: dict[str, RunningServer]) -> None:
    as_floats = [{**machine, "tool_wear": float(machine["tool_wear"])} for machine in MACHINES]  # type: ignore[arg-type]
    assert predictions(servers["maintenance"], as_floats) == predictions(servers["maintenance"], MACHINES)


def test_parameters_feed_the_inputs_that_have_defaults(servers: dict[str, RunningServer]) -> None:
    outputs = v2(servers["recommender"], "recommender", user_id=("INT64", [2], [1, 4]), k=("INT64", [1], [3]))
    found = predictions(servers["recommender"], [1, {"user_id": 4}], k=3)
    assert [item for row in found for item in row["item_ids"]] == outputs["item_ids"]
    assert [score for row in found for score in row["scores"]] == outputs["scores"]
    assert [row["known_user"] for row in found] == outputs["known_user"]
    assert found == predictions(servers["recommender"], [1, 4], k=[3.0])


def test_without_parameters_the_defaults_hold(servers: dict[str, RunningServer]) -> None:
    outputs = v2(servers["recommender"], "recommender", user_id=("INT64", [1], [1]))
    assert predictions(servers["recommender"], [1])[0]["item_ids"] == outputs["item_ids"]


def test_no_instances_are_answered_with_no_predictions(servers: dict[str, RunningServer]) -> None:
    assert predictions(servers["linear"], []) == []


def test_a_large_request_of_thousands_of_rows_is_answered(servers: dict[str, RunningServer]) -> None:
    rows = X[:100].tolist() * 40
    found = predictions(servers["linear"], rows)
    assert len(found) == 4000
    assert found[:100] == predictions(servers["linear"], rows[:100])


def test_packed_requests_are_unpacked_and_answers_packed_where_that_is_asked(servers: dict[str, RunningServer]) -> None:
    body = gzip.compress(orjson.dumps({"instances": X[:2].tolist()}))
    status, answer = predict(servers["linear"], body, Content_Encoding="gzip")
    assert status == 200
    assert answer["predictions"] == predictions(servers["linear"], X[:2].tolist())


def test_v2_and_metrics_are_served_beside_the_contract_and_count_its_predictions(
    servers: dict[str, RunningServer],
) -> None:
    path = "/v2/models/linear/stats"
    before = servers["linear"].get(path)[1]["model_stats"][0]["inference_count"]
    predictions(servers["linear"], X[:3].tolist())
    assert servers["linear"].get(path)[1]["model_stats"][0]["inference_count"] == before + 3


@pytest.mark.parametrize(
    ("model", "document", "told"),
    [
        ("linear", b'{"instances": [', "the body is not valid JSON"),
        ("linear", [1], 'the body must be a JSON object with "instances"'),
        ("linear", {"inputs": []}, 'the body must be a JSON object with "instances"'),
        ("linear", {"instances": {}}, '"instances" must be a list'),
        ("linear", {"instances": [], "paramters": {}}, 'unknown field "paramters"'),
        ("linear", {"instances": [[1, 2, 3, 4], [1, 2, 3]]}, 'instance 1: input "input" takes a list of 4 values'),
        ("linear", {"instances": [[1, 2, 3, 4], 7]}, 'instance 1: input "input" takes a list of 4 values, not 7'),
        ("linear", {"instances": [[1, 2, 3, [4]]]}, 'instance 0: input "input" (FP64) takes numbers'),
        ("linear", {"instances": [[1, 2, 3, "4"]]}, 'instance 0: input "input" (FP64) takes numbers'),
        ("linear", {"instances": [[1, 2, 3, None]]}, 'instance 0: input "input" (FP64) takes numbers'),
        ("linear", {"instances": [{"inputs": [1, 2, 3, 4]}]}, 'instance 0: unknown input "inputs"'),
        ("linear", {"instances": [{}]}, 'instance 0: input "input" is missing'),
        ("linear", {"instances": [], "parameters": {"k": 1}}, 'unknown parameter "k"; the model takes none'),
        ("linear", {"instances": [], "parameters": [1]}, '"parameters" must be an object'),
        ("text", {"instances": ["a", 7, "b"]}, "instance 1: input "),
        ("text", {"instances": [None]}, "instance 0: input "),
        ("maintenance", {"instances": [MACHINES[0], 5]}, 'instance 1 must be an object with "product_type", '),
        (
            "maintenance",
            {"instances": [MACHINES[0], {"product_type": "H", "torque": 1.0}]},
            'instance 1: input "tool_wear" is missing',
        ),
        (
            "maintenance",
            {"instances": [{**MACHINES[0], "tool_wear": 8.5}]},
            'instance 0: input "tool_wear" (INT64) takes integers; the data has 8.5',
        ),
        ("maintenance", {"instances": [{**MACHINES[0], "tool_wear": True}]}, 'instance 0: input "tool_wear" (INT64)'),
        (
            "recommender",
            {"instances": [{"user_id": 1, "k": 3}]},
            'instance 0: "k" is one for all instances; give it in',
        ),
        ("recommender", {"instances": [1], "parameters": {"k": 0}}, "k must be from 1 to 100; it is 0"),
        (
            "recommender",
            {"instances": [1], "parameters": {"k": "3"}},
            'parameter "k": input "k" (INT64) takes integers',
        ),
        ("recommender", {"instances": [1], "parameters": {"k": [1, 2]}}, 'parameter "k": input "k" takes a list of 1'),
        (
            "recommender",
            {"instances": [1], "parameters": {"user_id": 1}},
            'unknown parameter "user_id"; the model takes',
        ),
        ("recommender", b'{"instances": [1e300]}', 'instance 0: input "user_id" (INT64) takes integers'),
    ],
)
def test_a_faulty_request_is_told_the_instance_and_the_field(
    servers: dict[str, RunningServer], model: str, document: Any, told: str
) -> None:
    status, answer = predict(servers[model], document)
    assert status == 400, answer
    assert list(answer) == ["error"]
    assert answer["error"].startswith(told)


def test_a_body_over_the_limit_is_refused(servers: dict[str, RunningServer]) -> None:
    status, answer = predict(servers["linear"], {"instances": X.tolist() * 100})
    assert (status, answer) == (413, {"error": "the request's body is over the limit of 200000 bytes"})


def test_an_artifact_comes_from_cloud_storage_with_a_token_of_the_machine(
    artifacts: dict[str, Path], storage: FakeCloudStorage
) -> None:
    storage.put(artifacts["linear"], "spam/1.0.0")
    storage.objects["spam/1.0.0/"] = b""  # as consoles make for a folder
    storage.needs_token = True
    storage.faults = [503, 429]
    where = {"STORAGE_EMULATOR_HOST": f"http://{storage.host}", "GCE_METADATA_HOST": storage.host}
    with vertex(AIP_STORAGE_URI=f"{URI}/", **where) as server:
        found = predictions(server, X[:1].tolist())
        assert server.get("/v2/models/linear")[1]["versions"] == ["1.0.0"]
        assert [row["label"] for row in found] == [0]


def test_while_the_artifact_is_on_its_way_health_says_no_and_the_port_is_open(
    artifacts: dict[str, Path], storage: FakeCloudStorage
) -> None:
    storage.put(artifacts["linear"], "spam/1.0.0")
    storage.gate.clear()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/", "AIP_PREDICT_ROUTE": "/"}
    with _start(AIP_STORAGE_URI=URI, STORAGE_EMULATOR_HOST=storage.host, **where) as process:
        server = RunningServer(process, port)
        assert _answer(server) == (503, {"ready": False})
        status, answer = server.post("/", {"instances": []})
        assert (status, answer["error"]) == (503, "the server is loading its models; come again in a moment")
        storage.gate.set()
        assert _until_ready(server) == (200, {"ready": True})
        assert server.post("/", {"instances": []}) == (200, {"predictions": []})
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        process.stderr.read()


def _answer(server: RunningServer) -> tuple[int, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            return server.get("/")
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def _until_ready(server: RunningServer) -> tuple[int, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = _answer(server)
        if found[0] == 200:
            return found
        time.sleep(0.05)
    raise AssertionError("never ready")


def test_health_and_predictions_may_have_one_path_even_below_v1(artifacts: dict[str, Path]) -> None:
    route = "/v1/endpoints/123/deployedModels/456:predict"  # what Vertex AI takes where a model names no routes
    folder = artifacts["linear"]
    with vertex(f"--model_dir={folder}", AIP_HEALTH_ROUTE=route, AIP_PREDICT_ROUTE=route) as server:
        assert server.get(route) == (200, {"ready": True})
        status, answer = server.post(route, {"instances": X[:1].tolist()})
        assert (status, len(answer["predictions"])) == (200, 1)


def test_an_altered_artifact_is_not_served(artifacts: dict[str, Path], storage: FakeCloudStorage) -> None:
    storage.put(artifacts["linear"], "spam/1.0.0")
    storage.objects["spam/1.0.0/linear.json"] += b" "
    told = ends(AIP_STORAGE_URI=URI, STORAGE_EMULATOR_HOST=storage.host)
    assert "linear.json: its SHA-256 is not the one in artifact.json: truncated or altered" in told


@pytest.mark.parametrize(
    ("objects", "faults", "uri", "told"),
    [
        ({}, [], URI, f"{URI}: there is nothing below it; AIP_STORAGE_URI must be the folder of an artifact"),
        ({"spam/1.0.0/artifact.json": b"{}"}, [], "gs://models/spam", "gs://models/spam: it holds folders"),
        ({"spam/1.0.0/..": b"{}"}, [], URI, f"{URI}: it holds folders"),
        ({}, [], "gs://elsewhere", "gs://elsewhere: there is no such bucket or object"),
        ({}, [403], URI, f"{URI}: access is refused; the service account that the model is deployed with needs"),
        ({}, [400], URI, f"{URI}: Cloud Storage answers 400"),
    ],
    ids=["nothing", "a folder of versions", "a name that leads out", "no bucket", "no rights", "another refusal"],
)
def test_what_cannot_be_read_is_told_in_one_sentence(
    tmp_path: Path, storage: FakeCloudStorage, *, objects: dict[str, bytes], faults: list[int], uri: str, told: str
) -> None:
    storage.objects.update(objects)
    storage.faults = faults
    with pytest.raises(ArtifactError, match=f"^{re.escape(told)}"):
        download(uri, tmp_path / "1.0.0", {"STORAGE_EMULATOR_HOST": storage.host})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"AIP_HTTP_PORT": ""}, "AIP_HTTP_PORT: missing, though Vertex AI's other AIP_* variables are set"),
        ({"AIP_HTTP_PORT": "80a"}, "AIP_HTTP_PORT: must be a port's number, 1 to 65535"),
        ({"AIP_HTTP_PORT": "65536"}, "AIP_HTTP_PORT: must be a port's number, 1 to 65535"),
        ({"AIP_HEALTH_ROUTE": "health"}, "AIP_HEALTH_ROUTE: must be a path that begins with /"),
        ({"AIP_PREDICT_ROUTE": "/predict?x"}, "AIP_PREDICT_ROUTE: must be a path that begins with /"),
        ({"AIP_PREDICT_ROUTE": "/v2/models/a/infer"}, "AIP_PREDICT_ROUTE: paths below /v2 are the V2 protocol's"),
        ({"AIP_STORAGE_URI": "s3://models/spam"}, "AIP_STORAGE_URI: must be a folder in Cloud Storage"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(environ: dict[str, str], told: str) -> None:
    contract = {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT}
    with pytest.raises(SettingsError, match=f"^{re.escape(told)}"):
        contract_of({**contract, **environ})


def test_such_a_variable_ends_the_start() -> None:
    assert ends(AIP_PREDICT_ROUTE="predict").startswith("AIP_PREDICT_ROUTE: must be a path that begins with /")


def test_without_these_variables_there_is_no_contract() -> None:
    assert contract_of({"AIP_MODE": "PREDICTION", "AIP_STORAGE_URI": ""}) is None
