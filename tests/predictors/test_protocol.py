# SPDX-License-Identifier: Apache-2.0
"""The protocol over REST, through a real server: all of ``protocol_cases``, and what single cases cannot tell."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest

from predictors import load, open_artifact
from predictors.served_model import ServedModel
from predictors.signature import Tensors
from tests.predictors.protocol_cases import (
    CASES,
    INFERENCE,
    LIMITS,
    MAX_BODY_BYTES,
    ONE,
    REFUSED,
    SECTIONS,
    V1,
    Case,
    document,
    infer,
)
from tests.predictors.protocol_client import Answer, Connection, Way, fault, nulls, request_bytes
from tests.predictors.protocol_models import TEXTS, X, pack_models
from tests.predictors.servers import RunningServer, serving

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
ASKED = [case for case in CASES if case.path.endswith("/infer") and case.method == "POST"]
WAYS: tuple[Way, ...] = ("plain", "encoded", "chunked")
MODELS = ("forest", "linear", "maintenance", "recommender", "slow", "text")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pack_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, ServedModel]:
    return {name: load(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[RunningServer]:
    # The linear model comes first, and so in lists of all models.
    names = sorted(folders, key=lambda name: (name != "linear", name))
    with serving(
        *(folders[name] for name in names),
        PREDICTOR_MAX_BODY_BYTES=str(MAX_BODY_BYTES),
        PREDICTOR_ENABLE_GRPC="false",
    ) as running:
        yield running


def ask(server: RunningServer, case: Case, way: Way = "plain") -> Answer:
    with Connection(server.http_port) as connection:
        return connection.ask(case, way)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ASKED], ids=lambda case: case.about)
def test_a_request_gets_its_one_answer(server: RunningServer, case: Case) -> None:
    answer = ask(server, case)
    assert fault(case, answer) == ""
    assert nulls(answer) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.about)
def test_an_inference_request_gets_its_one_answer_on_every_path(server: RunningServer, case: Case, way: Way) -> None:
    answer = ask(server, case, way)
    assert fault(case, answer) == ""
    assert nulls(answer) == []


@pytest.mark.parametrize("way", WAYS)
def test_refusals_and_answers_take_turns_on_one_connection(server: RunningServer, way: Way) -> None:
    with Connection(server.http_port) as connection:
        faults = [fault(case, connection.ask(case, way)) for case in (*INFERENCE, *REFUSED, *LIMITS, *V1)]
    assert [told for told in faults if told] == []


@pytest.mark.parametrize("way", WAYS)
def test_pipelined_requests_get_their_answers_in_order(server: RunningServer, way: Way) -> None:
    requests = b"".join(request_bytes(case, way) for case in ASKED)
    with Connection(server.http_port) as connection:
        sender = threading.Thread(target=connection.send, args=(requests,))
        sender.start()
        answers = [connection.answer() for _ in ASKED]
        sender.join()
    faults = [answer is None or fault(case, answer) for case, answer in zip(ASKED, answers, strict=True)]
    assert [told for told in faults if told] == []


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.about)
def test_the_same_bytes_get_the_same_answer_again_and_on_every_path(server: RunningServer, case: Case) -> None:
    with Connection(server.http_port) as connection:
        answers = [connection.ask(case, way) for way in ("plain", "plain", "plain", "encoded")]
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert len({str({**answer.headers, "date": ""}) for answer in answers}) == 1


def rows_of(model: str, count: int) -> Tensors:
    """Return valid inputs of so many rows."""
    places = np.arange(count)
    if model == "text":
        return {"text": np.array(TEXTS, dtype=object)[places % len(TEXTS)]}
    if model == "maintenance":
        types = np.array(["H", "L", "M"], dtype=object)[places % 3]
        return {"product_type": types, "torque": places % 70 + 0.5, "tool_wear": places % 240}
    return {"user_id": places % 9} if model == "recommender" else {"input": X[places % len(X)]}


def tensors_of(model: str, folder: Path, rows: Tensors) -> list[dict[str, object]]:
    datatypes = {spec.name: spec.datatype for spec in open_artifact(folder).manifest.signature.inputs}
    return [
        {"name": name, "datatype": datatypes[name], "shape": array.shape, "data": array.tolist()}
        for name, array in rows.items()
    ]


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
@pytest.mark.parametrize("model", MODELS)
def test_any_number_of_rows_is_answered_as_the_loaded_model_does(
    server: RunningServer, folders: dict[str, Path], loaded: dict[str, ServedModel], model: str, count: int
) -> None:
    rows = rows_of(model, count)
    served = loaded[model]
    expected = served.predict(served.reader.complete(dict(rows)))
    answer = server.infer(model, {"inputs": tensors_of(model, folders[model], rows), "id": str(count)})
    assert {output["name"]: output["data"] for output in answer["outputs"]} == {
        name: array.ravel().tolist() for name, array in expected.items()
    }
    assert [tuple(output["shape"]) for output in answer["outputs"]] == [array.shape for array in expected.values()]
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (model, "1.0.0", str(count))


@pytest.mark.parametrize("form", ["/v2/models/{}", "/v2/models/{}/versions/1.0.0"], ids=["model", "version"])
@pytest.mark.parametrize("model", MODELS)
def test_metadata_tells_the_signature_that_the_artifact_has(
    server: RunningServer, folders: dict[str, Path], model: str, form: str
) -> None:
    signature = open_artifact(folders[model]).manifest.signature
    status, told = server.get(form.format(model))
    assert status == 200
    assert [(one["name"], one["datatype"], tuple(one["shape"])) for one in told["inputs"] + told["outputs"]] == [
        (spec.name, spec.datatype, spec.shape) for spec in signature.inputs + signature.outputs
    ]
    assert server.get("/v2/models")[1]["models"] == sorted(MODELS)


def requests_counted(server: RunningServer, **labels: str) -> int:
    """Return how many requests with these labels the metrics tell."""
    with Connection(server.http_port) as connection:
        text = connection.ask(Case("", "/metrics", method="GET")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("portside_requests_total{")]
    matching = [line for line in lines if all(f'{name}="{value}"' in line for name, value in labels.items())]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in matching)


@pytest.mark.parametrize(
    ("case", "protocol", "code"),
    [
        (Case("", infer(), body=ONE), "rest", "200"),
        (Case("", infer(), body=b"{"), "rest", "400"),
        (Case("", infer(), body=b"{}", headers={"content-encoding": "br"}), "rest", "415"),
        (Case("", infer(), body=b" " * (MAX_BODY_BYTES + 1)), "rest", "413"),
        (Case("", infer(), body=document(orjson.loads(ONE)["inputs"][0], parameters={"timeout": 1})), "rest", "504"),
        (Case("", "/v1/models/linear:predict", body=b'{"instances": [[1, 2, 3, 4]]}'), "v1", "200"),
        (Case("", "/v1/models/linear:predict", body=b'{"instances": [[1, 2]]}'), "v1", "400"),
    ],
    ids=["answered", "refused", "unknown encoding", "too large", "too late", "V1 answered", "V1 refused"],
)
def test_each_request_is_counted_once_by_protocol_and_code(
    server: RunningServer, case: Case, protocol: str, code: str
) -> None:
    labels = {"model": "linear", "protocol": protocol, "code": code}
    before, all_before = requests_counted(server, **labels), requests_counted(server)
    ask(server, case)
    assert requests_counted(server, **labels) == before + 1
    assert requests_counted(server) == all_before + 1


def test_the_statistics_add_up_the_rows_that_were_scored(server: RunningServer) -> None:
    def rows() -> int:
        count = server.get("/v2/models/slow/stats")[1]["model_stats"][0]["inference_count"]
        assert isinstance(count, int)
        return count

    before = rows()
    server.infer("slow", {"inputs": [{"name": "input", "datatype": "FP64", "shape": [7, 4], "data": [1.5] * 28}]})
    assert rows() == before + 7


def test_a_client_that_announces_too_much_is_refused_before_it_sends_it(server: RunningServer) -> None:
    head = f"POST {infer()} HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    with Connection(server.http_port) as connection:
        connection.send(head.encode())
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 413


@pytest.mark.parametrize(
    ("case", "answer", "told"),
    [
        (Case("", ""), Answer(500, {}, b"{}"), "status 500 instead of 200"),
        (Case("", "", tells={"allow": "GET"}), Answer(200, {}, b"{}"), "header allow: missing"),
        (Case("", "", has={"outputs.0.name": "a"}), Answer(200, {}, b'{"outputs":[]}'), 'outputs.0.name is not "a"'),
        (Case("", "", lacks=("id",)), Answer(200, {}, b'{"id":"x"}'), "has id"),
        (Case("", "", 400), Answer(400, {}, b"Bad"), 'no {"error": sentence}'),
        (Case("", "", 400), Answer(400, {}, b'{"error":"a","detail":1}'), 'no {"error": sentence}'),
        (Case("", "", 400), Answer(400, {}, b'{"error":"ValueError : x"}'), "no plain sentence: ValueError : x"),
        (Case("", "", 400, says="shape"), Answer(400, {}, b'{"error":"no data"}'), "it says: no data"),
    ],
    ids=["status", "header", "value", "surplus", "no JSON", "more than an error", "of Python", "another sentence"],
)
def test_a_wrong_answer_is_told(case: Case, answer: Answer, told: str) -> None:
    assert fault(case, answer) == told


def test_nulls_are_found_at_any_depth() -> None:
    assert nulls(Answer(200, {}, b'{"id":null,"outputs":[{"data":[1,null]}]}')) == ["id", "outputs.0.data.1"]


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.about for case in CASES}) == len(CASES)


def table_rows() -> list[tuple[str, int]]:
    """Return the requests of the page's tables, each with the status that they give for Portside."""
    rows = re.findall(r"^\| (.+?) +\| +(\d{3}) +\|", PAGE.read_text(), re.MULTILINE)
    return [(about, int(status)) for about, status in rows]


def test_the_table_of_the_page_has_every_case_with_its_status() -> None:
    assert table_rows() == [(case.about, case.status) for cases in SECTIONS.values() for case in cases]


@pytest.mark.parametrize(
    ("method", "path"),
    list(re.findall(r"`(GET|POST) (/[^\s`]*)`", PAGE.read_text())),
    ids=" ".join,
)
def test_every_path_that_the_page_names_is_there(server: RunningServer, method: str, path: str) -> None:
    asked = path.replace("NAME", "linear").replace("VERSION", "1.0.0")
    assert ask(server, Case("", asked, method=method)).status != 404
