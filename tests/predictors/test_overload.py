# SPDX-License-Identifier: Apache-2.0
"""More than a server can do: full queues, deadlines, clients that leave, and what is scored together meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import numpy.typing as npt
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from predictors import load, pack
from predictors.loading import LoadPolicy
from predictors.served_model import ServedModel
from predictors.signature import Tensors
from tests.predictors import gates
from tests.predictors.gates import BROKEN, LOADS_GATES, REFUSED, Gate
from tests.predictors.grpc_client import GrpcClient, grpc_client, raw_request
from tests.predictors.protocol_client import Answer, Connection
from tests.predictors.scraping import in_flight, scrape, until, value
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)
MOST = 4

Rows = npt.NDArray[np.float64]


class Overloaded(NamedTuple):
    """A server with room for few requests, and its slow model, which scores while the gate is open."""

    server: RunningServer
    slow: ServedModel
    gate: Path

    @contextmanager
    def closed(self) -> Iterator[None]:
        self.gate.touch()
        try:
            yield
        finally:
            self.gate.unlink(missing_ok=True)

    def has_in_flight(self, count: int) -> None:
        until(lambda: in_flight(self.server.http_port, "slow") == count, f"{count} requests are in flight")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    out, gate = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("gate")
    fast = LogisticRegression(max_iter=500).fit(X, Y)
    slow = make_pipeline(Gate(str(gate)), HistGradientBoostingClassifier(max_iter=5)).fit(X, Y)
    return (
        pack(fast, X, name="fast", version="1", out=out),
        pack(slow, X, name="slow", version="1", out=out, onnx=False),
        gate / "scoring",
    )


@contextmanager
def overloaded(folders: tuple[Path, Path, Path], **environ: str) -> Iterator[Overloaded]:
    fast, slow, gate = folders
    policy = LoadPolicy(allow_pickle=True, allow_imports=(gates.__name__,))
    with serving(fast, slow, options=(), **LOADS_GATES, **environ) as server:
        yield Overloaded(server, load(slow, policy), gate)


@pytest.fixture(scope="module")
def small(folders: tuple[Path, Path, Path]) -> Iterator[Overloaded]:
    """A server whose queue holds few requests."""
    with overloaded(folders, PREDICTOR_MAX_QUEUE=str(MOST), PREDICTOR_DEADLINE_SECONDS="600") as running:
        yield running


@pytest.fixture(scope="module")
def large(folders: tuple[Path, Path, Path]) -> Iterator[Overloaded]:
    """A server whose queue holds many."""
    with overloaded(folders) as running:
        yield running


def request(rows: Rows = X[:1], model: str = "slow", *headers: str) -> bytes:
    tensor = {"name": "input", "datatype": "FP64", "shape": rows.shape, "data": rows.ravel().tolist()}
    body = orjson.dumps({"inputs": [tensor]})
    head = [f"POST /v2/models/{model}/infer HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def ask(port: int, content: bytes) -> Answer:
    with Connection(port) as connection:
        connection.send(content)
        return answered(connection)


def answered(connection: Connection) -> Answer:
    answer = connection.answer()
    assert answer is not None
    return answer


@contextmanager
def sent(port: int, contents: Sequence[bytes]) -> Iterator[list[Connection]]:
    """Send requests, each on a connection of its own."""
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(port)) for _ in contents]
        for connection, content in zip(connections, contents, strict=True):
            connection.send(content)
        yield connections


MESSAGE = raw_request("slow", {"input": ("FP64", X[:1])})


@pytest.fixture
def client(small: Overloaded) -> Iterator[GrpcClient]:
    with grpc_client(small.server.grpc_port) as found:
        yield found


def test_one_request_too_many_is_refused_and_those_before_it_are_answered(
    small: Overloaded, client: GrpcClient
) -> None:
    port = small.server.http_port
    with small.closed(), sent(port, [request()] * MOST) as connections:
        small.has_in_flight(MOST)
        ways = (request(), request(X[:1], "slow", "content-encoding: identity"))  # the fast path's, and the other one
        refused = [ask(port, way) for way in ways * 2]
        assert [(answer.status, answer.headers["retry-after"]) for answer in refused] == [(429, "1")] * 4
        sentence = 'model "slow" has as many requests waiting as it may; come again in a moment'
        assert [answer.document for answer in refused] == [{"error": sentence}] * 4
        assert client.refusal(MESSAGE)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert small.server.get("/v2/health/live")[0] == small.server.get("/v2/health/ready")[0] == 200
        assert ask(port, request(X[:1], "fast")).status == 200
        small.gate.unlink()
        assert [answered(connection).status for connection in connections] == [200] * MOST
    assert ask(port, request()).status == 200


@pytest.mark.parametrize(
    "headers",
    [["x-envoy-expected-rq-timeout-ms: 50"], ["x-envoy-expected-rq-timeout-ms: 50", "content-encoding: identity"]],
    ids=["as usual", "off the fast path"],
)
def test_a_request_whose_time_is_over_is_told_so_and_makes_room(small: Overloaded, headers: list[str]) -> None:
    port = small.server.http_port
    rows = value(scrape(port), "portside_batch_rows_sum", model="slow")
    with small.closed():
        with sent(port, [request(X[:1], "slow", *headers)] * MOST) as connections:
            assert [answered(connection).status for connection in connections] == [504] * MOST
        small.has_in_flight(0)
        with sent(port, [request()] * MOST) as connections:
            small.has_in_flight(MOST)
            small.gate.unlink()
            assert [answered(connection).status for connection in connections] == [200] * MOST
    # Of those whose time was over only what was being scored already was scored.
    assert value(scrape(port), "portside_batch_rows_sum", model="slow") - rows <= MOST + 1


def test_grpc_tells_that_the_time_is_over(small: Overloaded, client: GrpcClient) -> None:
    with small.closed():
        assert client.refusal(MESSAGE, timeout=0.2)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        small.has_in_flight(0)
    assert client.outcome(MESSAGE) is grpc.StatusCode.OK


def test_a_client_that_says_nothing_of_time_has_what_the_server_gives(folders: tuple[Path, Path, Path]) -> None:
    with overloaded(folders, PREDICTOR_DEADLINE_SECONDS="0.2") as running, running.closed():
        assert ask(running.server.http_port, request()).status == 504
        longer = request(X[:1], "slow", "x-envoy-expected-rq-timeout-ms: 60000")
        assert ask(running.server.http_port, longer).status == 504
        with grpc_client(running.server.grpc_port) as client:
            assert client.refusal(MESSAGE)[0] is grpc.StatusCode.DEADLINE_EXCEEDED


def test_requests_of_clients_that_left_make_room(small: Overloaded) -> None:
    port = small.server.http_port
    with small.closed():
        rows = value(scrape(port), "portside_batch_rows_sum", model="slow")
        with sent(port, [request()] * MOST):
            small.has_in_flight(MOST)
        small.has_in_flight(0)
        with grpc_client(small.server.grpc_port) as client:
            calls = [_call(client) for _ in range(MOST)]
            small.has_in_flight(MOST)
            assert [call.cancel() for call in calls] == [True] * MOST
            small.has_in_flight(0)
        with sent(port, [request()] * MOST) as connections:
            small.has_in_flight(MOST)
            small.gate.unlink()
            assert [answered(connection).status for connection in connections] == [200] * MOST
    # Only what was being scored already was scored.
    assert value(scrape(port), "portside_batch_rows_sum", model="slow") - rows <= MOST + 1


def _call(client: GrpcClient) -> Any:
    method = "/inference.GRPCInferenceService/ModelInfer"
    return client.channel.unary_unary(method, bytes, bytes).future(MESSAGE.SerializeToString())


def test_requests_of_few_and_of_many_rows_are_scored_side_by_side(large: Overloaded) -> None:
    port = large.server.http_port
    many = np.tile(X, (2, 1))
    with large.closed(), sent(port, [request()] * 3) as few, sent(port, [request(many)] * 2) as others:
        large.has_in_flight(5)
        large.gate.unlink()
        assert [answered(connection).status for connection in [*few, *others]] == [200] * 5


def test_large_requests_for_a_fast_model_are_scored_by_threads(large: Overloaded) -> None:
    port = large.server.http_port
    rows = np.tile(X, (200, 1))
    expected = LogisticRegression(max_iter=500).fit(X, Y).predict(rows).tolist()
    with large.closed(), sent(port, [request()]), sent(port, [request(rows, "fast")] * 4) as connections:
        labels = [answered(connection).document["outputs"][0]["data"] for connection in connections]
    assert labels == [expected] * 4


FINITE = st.floats(0, 10).map(lambda number: round(number, 1))
MIXES = st.lists(st.lists(st.tuples(FINITE, FINITE, FINITE, FINITE), min_size=1, max_size=12), min_size=2, max_size=8)


@given(MIXES, st.integers(0, 7), st.sampled_from([None, REFUSED, BROKEN]))
@settings(max_examples=25, deadline=None)
def test_joined_requests_get_what_each_would_get_alone(
    large: Overloaded, mix: list[list[tuple[float, ...]]], place: int, bad: float | None
) -> None:
    requests = [np.array(rows) for rows in mix]
    if bad is not None:
        requests.insert(min(place, len(requests)), np.array([[1.0, 1.0, 1.0, 1.0], [bad, 1.0, 1.0, 1.0]]))
    expected = [_alone(large.slow, rows) for rows in requests]
    port = large.server.http_port
    before = scrape(port)
    with large.closed(), sent(port, [request()]) as first:
        large.has_in_flight(1)  # this one is being scored, and those that come now make up the next batch
        with sent(port, [request(rows) for rows in requests]) as connections:
            large.has_in_flight(1 + len(requests))
            large.gate.unlink()
            answers = [answered(connection) for connection in connections]
            assert answered(first[0]).status == 200
    assert [_outputs(answer) for answer in answers] == expected
    batches = value(scrape(port), "portside_batch_rows_count") - value(before, "portside_batch_rows_count")
    assert batches == 2 + (sum(len(rows) for rows in requests) > 64)


def _alone(model: ServedModel, rows: Rows) -> Any:
    if rows.max() > 10:
        return 400 if rows.max() == REFUSED else 500
    return {name: array.ravel().tolist() for name, array in model.predict({"input": rows}).items()}


def _outputs(answer: Answer) -> Any:
    if answer.status != 200:
        return answer.status
    return {output["name"]: output["data"] for output in answer.document["outputs"]}


DIGITS, DIGIT = load_digits(return_X_y=True)
JOINS: dict[str, Any] = {
    "boosted trees for two classes": (HistGradientBoostingClassifier(max_iter=5), DIGIT > 4),
    "a random forest": (RandomForestClassifier(20, random_state=0), DIGIT),
    "a support vector machine": (SVC(), DIGIT),
}
JOINS_NOT: dict[str, Any] = {
    "a neural network, for its matrix products": (MLPClassifier((100,), max_iter=20, random_state=0), DIGIT),
    "boosted trees for ten classes, for the sum over them": (HistGradientBoostingClassifier(max_iter=5), DIGIT),
}


def packed(estimator: Any, classes: Any, out: Path) -> ServedModel:
    model = estimator.fit(DIGITS, classes)
    return load(pack(model, DIGITS, name="m", version="1", out=out, onnx=False))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # a model that did not converge is as good here
@pytest.mark.parametrize(("estimator", "classes"), JOINS.values(), ids=JOINS)
def test_models_that_answer_a_row_alike_among_any_others_are_joined(
    estimator: Any, classes: Any, tmp_path: Path
) -> None:
    model = packed(estimator, classes, tmp_path)
    assert model.joins
    assert rows_that_differ(model) == 0


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(("estimator", "classes"), JOINS_NOT.values(), ids=JOINS_NOT)
def test_models_that_answer_a_row_otherwise_among_others_are_not(estimator: Any, classes: Any, tmp_path: Path) -> None:
    model = packed(estimator, classes, tmp_path)
    if rows_that_differ(model) == 0:
        pytest.skip("this machine's libraries add up in the same order for any number of rows")
    assert not model.joins


def rows_that_differ(model: ServedModel) -> int:
    """Return how many of the rows have other outputs, to the last bit, alone than among all of them."""
    rows = DIGITS[:100]
    together: Tensors = model.predict({"input": rows})
    alone = [model.predict({"input": rows[place : place + 1]}) for place in range(len(rows))]
    return sum(
        any(outputs[name].tobytes() != together[name][place : place + 1].tobytes() for name in together)
        for place, outputs in enumerate(alone)
    )
