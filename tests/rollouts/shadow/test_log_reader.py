# SPDX-License-Identifier: Apache-2.0
"""Records of real servers, and of logs that grow while they are read through an API server."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictors import pack
from rollouts.observation import Pod
from rollouts.shadow.log_reader import LogReader
from rollouts.shadow.pairs import Pairs
from rollouts.shadow.records import read_record
from rollouts.shadow.shadow import Shadow
from tests.predictors.grpc_client import grpc_client, raw_request
from tests.predictors.scraping import scrape, until, value
from tests.predictors.servers import serving
from tests.rollouts.reached_cluster import reached_cluster

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
X, Y = load_iris(return_X_y=True)


@dataclass
class Log:
    """A container's log as the kubelet keeps it.

    Attributes:
        now: The time, in seconds.
        lines: Each line with its time.
        unfinished: Whether the last line is still without its end.
        broken: Whether the connection ends in the place of an answer.
        asked: The words of each question.
    """

    now: float = 0.0
    lines: list[tuple[float, str]] = field(default_factory=list)
    unfinished: bool = False
    broken: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)

    def write(self, *lines: str) -> None:
        self.lines += [(self.now, line) for line in lines]

    def answer(self, words: dict[str, str]) -> bytes:
        self.asked.append(words)
        if self.broken:
            raise ConnectionAbortedError
        assert (words["container"], words["timestamps"]) == ("kserve-container", "True")
        lines = self.lines[-int(words["tailLines"]) :] if "tailLines" in words else self.lines
        # Of the last whole seconds.
        since = self.now - int(words["sinceSeconds"]) if "sinceSeconds" in words else -math.inf
        told = [f"{_stamp(at)} {line}" for at, line in lines if at >= since]
        return ("\n".join(told) + ("" if self.unfinished or not told else "\n")).encode()


def _stamp(at: float) -> str:
    """Return a time with nine digits of its second, as the kubelet writes it."""
    return (BEGIN + timedelta(seconds=at)).isoformat(timespec="microseconds").replace("+00:00", "000Z")


def line(request_id: str | None, label: int = 0, model: str = "iris") -> str:
    outputs = [{"name": "label", "datatype": "INT64", "shape": [1], "data": [label]}]
    document = {"request_id": request_id, "model": model, "version": "1", "inputs": [], "outputs": outputs}
    return json.dumps(document, separators=(",", ":"))


SERVER_LINE = '{"time":"2026-01-01T00:00:00.000+00:00","level":"debug","message":"rest 200","model":"iris"}'


@contextmanager
def reading(*pods: str, folder: Path) -> Iterator[tuple[dict[str, Log], LogReader]]:
    """Give a log for each pod, and a reader of them; all have one clock, which is the first log's."""
    logs = {pod: Log() for pod in pods}
    with reached_cluster(folder) as (state, cluster), ThreadPoolExecutor(2) as executor:
        for name, log in logs.items():
            state.others[f"/api/v1/namespaces/models/pods/{name}/log"] = log.answer
        yield logs, LogReader(cluster, executor, "models", "iris", clock=lambda: logs[pods[0]].now)


def pod(name: str) -> Pod:
    return Pod(name=name, key=f"{name}/0", ready=True)


def ids(reader: LogReader, name: str = "a") -> list[str]:
    return [record.request_id for record in reader.records([pod(name)])[f"{name}/0"]]


#: Seconds that pass, then how many lines are written at once, then whether the log is read.
growth = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 1e-6, 0.3, 1.0, 7.9]), st.integers(0, 3), st.booleans()))


@given(growth)
def test_each_record_is_read_once_however_looks_and_lines_fall(steps: list[tuple[float, int, bool]]) -> None:
    # Without the API server: hypothesis asks for many logs.
    log = Log()
    read: list[str] = []
    written: list[str] = []
    log.write(line("before"), SERVER_LINE)
    with ThreadPoolExecutor(1) as executor:
        reader = LogReader(_Logs(log), executor, "models", "iris", clock=lambda: log.now)  # type: ignore[arg-type]
        assert ids(reader) == []
        # What has the very stamp of the last line at the first look is left with it.
        log.now += 1e-6
        for seconds, count, look in [*steps, (1.0, 0, True)]:
            log.now += seconds
            new = [f"{len(written) + place}" for place in range(count)]
            log.write(*map(line, new), SERVER_LINE)
            written += new
            if look:
                read += ids(reader)
    assert read == written


class _Logs:
    """A cluster of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def log_lines(self, pod: str, namespace: str, *, container: str, timestamps: bool, **words: Any) -> Iterator[str]:
        names = {"since_seconds": "sinceSeconds", "tail_lines": "tailLines"}
        asked = {names[name]: str(number) for name, number in words.items() if name in names}
        yield from (
            self._log.answer({"container": container, "timestamps": str(timestamps), **asked}).decode().split("\n")
        )


def test_logs_are_read_through_the_api_server_from_the_first_look_on(tmp_path: Path) -> None:
    with reading("a", "b", folder=tmp_path) as (logs, reader):
        logs["a"].write(line("before"))
        pods = [pod("a"), pod("b"), pod("gone"), Pod(name="waiting", key="waiting/0")]
        assert reader.records(pods) == {"a/0": [], "b/0": [], "gone/0": []}
        logs["a"].now = logs["b"].now = 1.5
        logs["a"].write(line("1"), SERVER_LINE, "Traceback", line("2", model="another"), line(None), line("3"))
        logs["b"].write(line("4"))
        found = reader.records(pods)
        assert {key: [record.request_id for record in records] for key, records in found.items()} == {
            "a/0": ["1", "3"],
            "b/0": ["4"],
            "gone/0": [],
        }
        logs["a"].now = logs["b"].now = 2.5
        assert reader.records([pod("a")]) == {"a/0": []}
        assert [words.get("sinceSeconds") for words in logs["a"].asked] == [None, "4", "3"]
        assert len(logs["b"].asked) == 2


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    with reading("a", folder=tmp_path) as (logs, reader):
        log = logs["a"]
        assert ids(reader) == []
        log.now = 1.0
        whole = line("long")
        log.write(line("1"), whole[:-5])
        log.unfinished = True
        assert ids(reader) == ["1"]
        log.lines[-1] = (log.now, whole)
        log.unfinished = False
        log.now = 2.0
        log.write(line("2"))
        assert ids(reader) == ["long", "2"]


def test_a_line_that_was_cut_holds_up_no_other(tmp_path: Path) -> None:
    with reading("a", folder=tmp_path) as (logs, reader):
        log = logs["a"]
        assert ids(reader) == []
        log.now = 1.0
        log.write(line("cut")[:-5], line("1"), "no stamp of its own: rpc error", line("2"))
        assert ids(reader) == ["1", "2"]


def test_a_pod_that_cannot_be_asked_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    with reading("a", folder=tmp_path) as (logs, reader):
        log = logs["a"]
        assert ids(reader) == []
        log.now = 1.0
        log.write(line("1"))
        log.broken = True
        assert ids(reader) == []
        log.broken = False
        log.now = 9.0
        log.write(line("2"))
        assert ids(reader) == ["1", "2"]


@pytest.mark.parametrize(
    "text",
    [
        SERVER_LINE,
        "Traceback (most recent call last):",
        '{"outputs":[',
        '{"outputs":[]}',
        '{"request_id":"1","model":"iris","outputs":[1]}',
        '{"request_id":"1","model":"iris","outputs":[{"name":"x"}]}',
        line(None),
        line(""),
        line("1", model="other"),
    ],
    ids=["log", "text", "cut", "no model", "no output", "half an output", "no id", "empty id", "another model"],
)
def test_other_lines_are_no_records(text: str) -> None:
    assert read_record(text, "iris") is None


# Real servers


def test_answers_of_two_real_versions_to_the_same_requests_are_compared(tmp_path: Path) -> None:
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)
    stable = LogisticRegression(max_iter=500).fit(X, names[Y])
    canary = LogisticRegression(max_iter=500).fit(X, names[np.where(Y == 2, 1, Y)])
    folders = {
        version: pack(model, X, name="iris", version=version, out=tmp_path, onnx=False)
        for version, model in {"1.0.0": stable, "1.1.0": canary}.items()
    }
    rows = X[::3]
    different = int((stable.predict(rows) != canary.predict(rows)).sum())
    logs = {}
    for version, folder in folders.items():
        file = tmp_path / f"{version}.jsonl"
        environ = {
            "PREDICTOR_LOG_PREDICTIONS": str(file),
            "PREDICTOR_LOG_FORMAT": "json",
            "PREDICTOR_LOG_LEVEL": "debug",
            "PREDICTOR_LOG_REDACT": "input",
        }
        with serving(folder, options=(), **environ) as server:
            with grpc_client(server.grpc_port) as client:
                for number, row in enumerate(rows):
                    name = f"id-{number}"
                    if number % 2:
                        tensor = {"name": "input", "datatype": "FP64", "shape": [1, 4], "data": row.tolist()}
                        server.post("/v2/models/iris/infer", {"inputs": [tensor]}, x_request_id=name)
                    else:
                        message = raw_request("iris", {"input": ("FP64", row[None])})
                        client.infer(message, metadata=[("x-request-id", name)])
            until(lambda: _written(server.http_port) == len(rows), "all are written")
            told = list(server.log)
        # As a container's log has them: the server's own lines among the records.
        logs[version] = [text for both in zip(told, file.read_text().splitlines(), strict=False) for text in both]
        logs[version] += file.read_text().splitlines()[len(told) :]
    with reading("a", "b", folder=tmp_path) as (found, reader):
        shadow = Shadow(reader)
        assert shadow.look([pod("a")], [pod("b")]) == Pairs()
        found["a"].now = found["b"].now = 1.0
        found["a"].write(*(text.rstrip("\n") for text in logs["1.0.0"]))
        found["b"].write(*(text.rstrip("\n") for text in logs["1.1.0"]))
        pairs = shadow.look([pod("a")], [pod("b")])
        assert shadow.look([pod("a")], [pod("b")]) == Pairs()
    assert (pairs.compared, pairs.different) == (len(rows), different)
    assert 0 < different < len(rows)
    assert "label is ['versicolor'], not ['virginica']" in pairs.example


def _written(port: int) -> int:
    return int(value(scrape(port), "portside_logged_predictions_total", result="written"))
