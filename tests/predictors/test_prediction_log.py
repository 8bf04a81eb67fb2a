# SPDX-License-Identifier: Apache-2.0
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors.errors import SettingsError
from predictors.serving.prediction_log.log import Prediction, PredictionLog
from predictors.signature import Tensors

PAGE = Path(__file__).parents[2] / "docs" / "prediction-log.md"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LONG = 60  # seconds in which everything comes that comes at all

rates = st.floats(0, 1)


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test() -> Iterator[None]:
    yield
    _until(lambda: not _writing_threads())


def _writing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prediction-log"]


def _until(holds: Any) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


def _prediction(
    request_id: str | None = "order-4711",
    *,
    inputs: Tensors | None = None,
    outputs: Tensors | None = None,
    traceparent: str | None = TRACEPARENT,
) -> Prediction:
    return Prediction(
        model="iris",
        version="1.0.0",
        request_id=request_id,
        traceparent=traceparent,
        protocol="rest",
        time=1767605400.25,
        seconds=0.00031,
        inputs={"input": np.array([[5.1, 3.5, 1.4, 0.2]])} if inputs is None else inputs,
        outputs={"label": np.array([0]), "probabilities": np.array([[0.98, 0.02, 0.0]])}
        if outputs is None
        else outputs,
    )


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_bytes()
    assert text.endswith(b"\n") or not text
    return [orjson.loads(line) for line in text.splitlines()]


def _ids(records: list[dict[str, Any]]) -> list[str]:
    return [record["request_id"] for record in records]


def _counts(log: PredictionLog) -> tuple[int, int, int]:
    return log.written, log.dropped, log.failed


@dataclass
class Collector:
    """A real HTTP sink.

    Attributes:
        statuses: What it answers to the next requests; after them always 202.
        open: Whether requests are answered; cleared, they wait.
        hangs_up: Whether it closes each connection after its answer, without a word.
        bodies: The JSON of each request.
        headers: The headers of each request, names in lower case.
        connections: The client's port, for each request.
    """

    statuses: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    hangs_up: bool = False
    bodies: list[list[dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    port: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body]

    def url(self, path: str = "/", credentials: str = "") -> str:
        return f"http://{credentials}127.0.0.1:{self.port}{path}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with _collecting() as found:
        yield found


@contextmanager
def _collecting() -> Iterator[Collector]:
    collector = Collector()
    collector.open.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            collector.connections.append(self.client_address[1])
            collector.paths.append(self.path)
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append(orjson.loads(body))
            assert collector.open.wait(LONG)
            status = collector.statuses.pop(0) if collector.statuses else 202
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except ConnectionError:
                pass  # the log gave up meanwhile
            self.close_connection = collector.hangs_up

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            collector.open.set()
            _until(lambda: not _writing_threads())  # they hold connections, whose end the server waits for
            server.shutdown()
            thread.join()


# What a record tells


def _examples() -> list[Any]:
    return [
        orjson.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    ]


def test_a_line_is_the_record_of_the_documentation(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1, redact=frozenset({"input"}))
    log.record(_prediction())
    log.close(LONG)
    assert _lines(tmp_path / "log") == [_examples()[0]]


def test_an_event_is_the_one_of_the_documentation(collector: Collector) -> None:
    log = PredictionLog(collector.url(), rate=1, redact=frozenset({"input"}))
    log.record(_prediction())
    log.close(LONG)
    told, documented = collector.bodies[0], _examples()[1]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told[0].pop("id"))
    del documented[0]["id"]
    assert told == documented


@pytest.mark.parametrize(
    ("array", "datatype", "data"),
    [
        pytest.param(np.array([1.5, np.nan, np.inf]), "FP64", [1.5, None, None], id="nan and inf"),
        pytest.param(np.array([0.5, np.nan], dtype=np.float16), "FP16", [0.5, None], id="float16"),
        pytest.param(np.array([[1, 2], [3, 4]], dtype=np.int8).T, "INT8", [1, 3, 2, 4], id="not contiguous"),
        pytest.param(np.array([2**64 - 1], dtype=np.uint64), "UINT64", [2**64 - 1], id="uint64"),
        pytest.param(np.array([True, False]), "BOOL", [True, False], id="bool"),
        pytest.param(np.array(["Grüße\n", None, b"caf\xc3\xa9", b"\xff"], dtype=object), "BYTES",
                     ["Grüße\n", None, "café", "\ufffd"], id="texts"),
        pytest.param(np.array(["yes", "no"]), "BYTES", ["yes", "no"], id="numpy texts"),
        pytest.param(np.empty((0, 4)), "FP64", [], id="no rows"),
    ],
)  # fmt: skip
def test_tensors_are_told_as_v2_tells_them(array: Any, datatype: str, data: list[Any], tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1)
    log.record(_prediction(inputs={"x": array}, outputs={}))
    log.close(LONG)
    (record,) = _lines(tmp_path / "log")
    assert record["inputs"] == [{"name": "x", "datatype": datatype, "shape": list(array.shape), "data": data}]


@pytest.mark.parametrize("redacted", ["message", "echo"])
def test_nothing_of_a_redacted_tensor_but_its_form_is_written(redacted: str, tmp_path: Path) -> None:
    tensors = {"message": np.array(["secret-of-message"], dtype=object)}
    answers = {"echo": np.array(["secret-of-echo"], dtype=object)}
    log = PredictionLog(str(tmp_path / "log"), rate=1, redact=frozenset({redacted}))
    log.record(_prediction(inputs=tensors, outputs=answers))
    log.close(LONG)
    text = (tmp_path / "log").read_text()
    assert re.findall(r"secret-of-(\w+)", text) == [name for name in ("message", "echo") if name != redacted]
    (record,) = _lines(tmp_path / "log")
    form = {"name": redacted, "datatype": "BYTES", "shape": [1], "redacted": True}
    assert form in record["inputs"] + record["outputs"]


def test_a_prediction_that_cannot_be_told_fails_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1)
    log.record(_prediction("before"))
    log.record(_prediction("complex", outputs={"y": np.array([1j])}))
    log.record(_prediction("not text \ud800"))
    log.record(_prediction("after"))
    log.close(LONG)
    assert _ids(_lines(tmp_path / "log")) == ["before", "after"]
    assert _counts(log) == (2, 0, 2)
    assert "not logged" in caplog.text


# Sampling


@given(st.text(min_size=1), rates, rates)
def test_an_id_is_sampled_alike_everywhere_and_more_often_at_higher_rates(name: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert _log(low).samples(name) == _log(low).samples(name)
    assert _log(low).samples(name) <= _log(high).samples(name)
    assert _log(1).samples(name)
    assert not _log(0).samples(name)


def test_the_sample_of_an_id_is_the_same_in_every_release() -> None:
    log = _log(0.1)
    assert [number for number in range(60) if log.samples(f"request-{number}")] == [10, 14, 18, 41, 45, 49, 51, 59]


@pytest.mark.parametrize("request_id", [None, ""], ids=["none", "empty"])
def test_without_an_id_some_are_sampled_and_some_not(request_id: str | None) -> None:
    random.seed(7)
    log = _log(0.3)
    assert 2500 < sum(log.samples(request_id) for _ in range(10_000)) < 3500
    assert _log(1).samples(request_id)
    assert not _log(0).samples(request_id)


@given(st.sampled_from(["{}", "request-{}", "{:08x}", "user-7-{}"]), st.floats(0.05, 0.95))
def test_of_many_ids_the_rate_is_sampled(form: str, rate: float) -> None:
    log = _log(rate)
    assert sum(log.samples(form.format(number)) for number in range(4000)) / 4000 == pytest.approx(rate, abs=0.05)


def _log(rate: float) -> PredictionLog:
    return PredictionLog(os.devnull, rate=rate)


# Settings


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_from_0_to_1(rate: float) -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        _log(rate)


def test_a_queue_has_room_for_something() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PredictionLog(os.devnull, rate=1, capacity=0)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param("nowhere/log", "folder does not exist", id="no folder"),
        pytest.param(".", "Is a directory", id="a folder"),
        pytest.param("", "Is a directory", id="empty"),
        pytest.param("file/log", "Not a directory", id="below a file"),
        pytest.param("pipe", "No such device", id="a pipe that nobody reads"),
        pytest.param("s3://user:hunter2@bucket/log", '"s3" is unknown', id="unknown scheme"),
        pytest.param("https:/user:hunter2@host/", "no host", id="no host"),
        pytest.param("http://user:hunter2@:80/", "no host", id="port alone"),
        pytest.param("http://user:hunter2/3@host/", "cannot be read", id="port that is a password"),
        pytest.param("http://[hunter2/", "cannot be read", id="brackets"),
        pytest.param("http://host/a path?token=hunter2", "percent-encoded", id="a blank"),
    ],
)
def test_a_target_that_cannot_be_used_ends_the_start(
    target: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    os.mkfifo("pipe")
    with pytest.raises(SettingsError, match=told) as raised:
        PredictionLog(target, rate=1)
    assert "hunter2" not in str(raised.value)


def test_a_file_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    sleep = shutil.copy(shutil.which("sleep") or "", tmp_path)
    with subprocess.Popen([sleep, str(LONG)]) as running:  # not even root may write to a program that runs
        try:
            with pytest.raises(SettingsError, match=r"cannot be written to .*sleep: "):
                PredictionLog(str(sleep), rate=1)
        finally:
            running.kill()


# Files


def test_a_file_is_appended_to_and_kept_from_others(tmp_path: Path) -> None:
    file = tmp_path / "log"
    for name in ("one", "two"):
        log = PredictionLog(str(file), rate=1)
        log.record(_prediction(name))
        log.close(LONG)
    assert _ids(_lines(file)) == ["one", "two"]
    assert file.stat().st_mode & 0o007 == 0


def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log = PredictionLog(str(file), rate=1)
    for number, name in enumerate(("one", "two", "three")):
        log.record(_prediction(name))
        _until(lambda seen=number: log.written == seen + 1)
        file.rename(tmp_path / name)
    log.close(LONG)
    assert [_ids(_lines(tmp_path / name)) for name in ("one", "two", "three")] == [["one"], ["two"], ["three"]]


def test_a_file_whose_folder_comes_back_is_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    log = PredictionLog(str(folder / "log"), rate=1)
    folder.rename(tmp_path / "away")
    log.record(_prediction("lost"))
    _until(lambda: log.failed == 1)
    folder.mkdir()
    log.record(_prediction("kept"))
    log.close(LONG)
    assert _ids(_lines(folder / "log")) == ["kept"]
    assert "No such file" in caplog.text


def test_a_full_device_fails_every_record_and_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    log = PredictionLog("/dev/full", rate=1)
    for number in range(3):
        log.record(_prediction(str(number)))
        _until(lambda seen=number: log.failed == seen + 1)
    log.close(LONG)
    assert _counts(log) == (0, 0, 3)
    assert [record.getMessage() for record in caplog.records] == [
        "1 predictions were not logged: /dev/full: No space left on device"
    ]


PREDICTION = """
import os, resource, sys, time
import numpy as np
from predictors.serving.prediction_log.log import Prediction, PredictionLog

def prediction(name, values):
    return Prediction("m", "1", name, None, "grpc", time.time(), 0.1, {"x": np.arange(values)}, {})

def exit_code(log, written):
    return 0 if (log.written, log.dropped, log.failed) == (written, 0, 0) else 1
"""


def _run(script: str, *words: str) -> bytes:
    done = subprocess.run([sys.executable, "-c", PREDICTION + script, *words], capture_output=True, timeout=LONG)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_file_that_cannot_grow_keeps_whole_lines_and_takes_more_when_it_can(tmp_path: Path) -> None:
    script = """
log = PredictionLog(sys.argv[1], rate=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
for number in range(50):
    log.record(prediction(str(number), 100))
while log.written + log.failed < 50:
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.record(prediction("last", 100))
log.close(60)
print(log.written, log.dropped, log.failed)
"""
    written, dropped, failed = map(int, _run(script, str(tmp_path / "log")).split())
    ids = _ids(_lines(tmp_path / "log"))
    assert len(ids) == written
    assert 1 < written < 50
    assert (written + failed, dropped) == (51, 0)
    assert ids[-1] == "last"


@pytest.mark.parametrize("target", ["file", "stdout"])
def test_forked_processes_write_whole_lines_and_their_counts_add_up(target: str, tmp_path: Path) -> None:
    # Lines of 1 to 60 KB; the log was made, and used, before the processes are forked.
    script = """
log = PredictionLog(sys.argv[1], rate=1)
log.record(prediction("parent", 10))
children = []
for worker in range(4):
    pid = os.fork()
    if not pid:
        for number in range(150):
            log.record(prediction(f"{worker}-{number}", 200 + 10_000 * (number % 7 == 0)))
        log.close(60)
        os._exit(exit_code(log, 150))
    children.append(pid)
log.close(60)
failed = [pid for pid in children if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
sys.exit(exit_code(log, 1) or len(failed))
"""
    file = tmp_path / "log"
    if target == "file":
        _run(script, str(file))
    else:
        file.write_bytes(_run(script, "-"))
    expected = {"parent", *(f"{worker}-{number}" for worker in range(4) for number in range(150))}
    assert Counter(_ids(_lines(file))) == dict.fromkeys(expected, 1)


def test_standard_output_made_non_blocking_takes_every_line(tmp_path: Path) -> None:
    script = """
os.set_blocking(1, False)
log = PredictionLog("-", rate=1)
for number in range(20):
    log.record(prediction(str(number), 20_000))
log.close(60)
sys.exit(exit_code(log, 20))
"""
    (tmp_path / "log").write_bytes(_run(script))
    assert _ids(_lines(tmp_path / "log")) == [str(number) for number in range(20)]


# HTTP


def test_events_come_in_batches_over_one_connection(collector: Collector) -> None:
    log = PredictionLog(collector.url("/events?tenant=a"), rate=1)
    for number in range(250):
        log.record(_prediction(str(number)))
    log.close(LONG)
    assert _counts(log) == (250, 0, 0)
    assert sorted(int(event["subject"]) for event in collector.events) == list(range(250))
    assert max(map(len, collector.bodies)) <= 100
    assert len({event["id"] for event in collector.events}) == 250
    assert {headers["content-type"] for headers in collector.headers} == {"application/cloudevents-batch+json"}
    assert set(collector.paths) == {"/events?tenant=a"}
    assert len(set(collector.connections)) == 1


def test_large_events_come_in_smaller_batches(collector: Collector) -> None:
    log = PredictionLog(collector.url(), rate=1)
    for _ in range(8):
        log.record(_prediction(inputs={"x": np.full(40_000, 0.123456789)}))  # 0.5 MB of JSON
    log.close(LONG)
    assert len(collector.events) == 8
    assert max(map(len, collector.bodies)) == 2


def test_events_of_one_request_id_are_told_apart(collector: Collector) -> None:
    log = PredictionLog(collector.url(), rate=1)
    log.record(_prediction("1"))
    log.record(_prediction("1"))
    log.close(LONG)
    assert len({event["id"] for event in collector.events}) == 2


@pytest.mark.parametrize(
    ("request_id", "traceparent"),
    [("line\nfeed", "no trace"), ("", ""), (None, None), ("\x7f", TRACEPARENT.upper())],
    ids=["invalid", "empty", "none", "control"],
)
def test_what_is_no_valid_attribute_stays_in_the_data(
    request_id: str | None, traceparent: str | None, collector: Collector
) -> None:
    log = PredictionLog(collector.url(), rate=1)
    log.record(_prediction(request_id, traceparent=traceparent))
    log.close(LONG)
    (event,) = collector.events
    assert {"subject", "traceparent"}.isdisjoint(event)
    assert (event["data"]["request_id"], event["data"]["traceparent"]) == (request_id, traceparent)


def test_a_sink_that_fails_for_a_while_gets_the_same_events_again(collector: Collector) -> None:
    collector.statuses = [503, 500]
    log = PredictionLog(collector.url(), rate=1)
    log.record(_prediction("one"))
    log.record(_prediction("two"))
    log.close(LONG)
    assert _counts(log) == (2, 0, 0)
    assert len(collector.bodies) == 3
    assert collector.bodies[0] == collector.bodies[1] == collector.bodies[2]


def test_a_sink_that_hangs_up_after_each_answer_gets_every_event(collector: Collector) -> None:
    collector.hangs_up = True
    log = PredictionLog(collector.url(), rate=1)
    for number in range(300):
        log.record(_prediction(str(number)))
    log.close(LONG)
    assert _counts(log) == (300, 0, 0)
    assert {event["subject"] for event in collector.events} == {str(number) for number in range(300)}
    assert len(set(collector.connections)) == len(collector.bodies)


@pytest.mark.parametrize("status", [400, 413, 429, 307], ids=str)
def test_a_refused_batch_is_not_sent_again(status: int, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.statuses = [status]
    log = PredictionLog(collector.url("/secret-path", "user:hunter2@"), rate=1)
    log.record(_prediction())
    _until(lambda: log.failed == 1)
    log.record(_prediction())
    log.close(LONG)
    assert _counts(log) == (1, 0, 1)
    assert len(collector.bodies) == 2
    assert f"http://127.0.0.1:{collector.port} answered {status}" in caplog.text
    assert "hunter2" not in caplog.text
    assert "secret" not in caplog.text


def test_credentials_of_the_url_are_sent_decoded(collector: Collector) -> None:
    log = PredictionLog(collector.url(credentials="us%40er:p%3Ass@"), rate=1)
    log.record(_prediction())
    log.close(LONG)
    assert collector.headers[0]["authorization"] == f"Basic {b64encode(b'us@er:p:ss').decode()}"


def test_a_dead_sink_is_tried_again_a_few_times_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with _collecting() as gone:
        pass
    log = PredictionLog(gone.url("/?key=hunter2", "user:hunter2@"), rate=1)
    for number in range(150):
        log.record(_prediction(str(number)))
    log.close(LONG)
    assert _counts(log) == (0, 0, 150)
    (told,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(rf"\d+ predictions were not logged: http://127.0.0.1:{gone.port}: Connection refused", told)


def test_what_a_slow_sink_has_not_taken_at_the_end_has_failed_and_stays_so(collector: Collector) -> None:
    collector.open.clear()
    told: Counter[str] = Counter()
    log = PredictionLog(collector.url(), rate=1, on_result=lambda result, count: told.update({result: count}))
    for number in range(130):
        log.record(_prediction(str(number)))
    _until(lambda: collector.bodies)
    log.close(0)
    assert _counts(log) == (0, 0, 130)
    collector.open.set()
    _until(lambda: not _writing_threads())
    assert _counts(log) == (0, 0, 130)
    assert told == {"failed": 130}


# The queue


def test_no_thread_runs_before_it_is_needed(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1)
    log.samples("some")
    assert _writing_threads() == []
    log.start()
    log.start()
    assert len(_writing_threads()) == 1
    log.record(_prediction())
    assert len(_writing_threads()) == 1
    log.close(LONG)
    assert _counts(log) == (1, 0, 0)


def test_what_a_full_queue_has_no_room_for_is_dropped_and_counted(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.open.clear()
    told: Counter[str] = Counter()
    log = PredictionLog(
        collector.url(), rate=1, capacity=5, on_result=lambda result, count: told.update({result: count})
    )
    for number in range(8):
        log.record(_prediction(str(number)))
    assert log.dropped == 3
    collector.open.set()
    log.close(LONG)
    assert [event["subject"] for event in collector.events] == ["0", "1", "2", "3", "4"]
    assert _counts(log) == (5, 3, 0)
    assert told == {"written": 5, "dropped": 3}
    assert "3 predictions were not logged: the queue was full" in caplog.text


@pytest.mark.parametrize(
    "large", [np.zeros(3 * 2**20), np.array(["x" * 24 * 2**20], dtype=object)], ids=["FP64", "BYTES"]
)
def test_the_queue_holds_no_more_than_64_mib_of_tensors(large: Any, collector: Collector) -> None:
    collector.open.clear()
    log = PredictionLog(collector.url(), rate=1, redact=frozenset({"x"}))
    for _ in range(4):
        log.record(_prediction(inputs={"x": large}))
    assert log.dropped == 2
    collector.open.set()
    _until(lambda: log.written == 2)
    log.record(_prediction(inputs={"x": large}))
    log.close(LONG)
    assert _counts(log) == (3, 2, 0)


def test_after_the_end_records_are_dropped(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1)
    log.record(_prediction("in time"))
    log.close(LONG)
    log.record(_prediction("late"))
    log.close(LONG)
    assert _ids(_lines(tmp_path / "log")) == ["in time"]
    assert _counts(log) == (1, 1, 0)


def test_a_log_that_was_never_used_ends(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), rate=1)
    log.close(LONG)
    log.start()
    assert _writing_threads() == []
    assert _counts(log) == (0, 0, 0)


def test_neither_odd_tensors_nor_a_failing_counter_fail_a_request(tmp_path: Path) -> None:
    def fail(result: str, count: int) -> None:
        raise RuntimeError(result)

    log = PredictionLog(str(tmp_path / "log"), rate=1, on_result=fail)
    odd: Any = [1, 2]
    log.record(_prediction("odd", inputs={"x": odd}))
    log.record(_prediction("plain"))
    log.close(LONG)
    assert _ids(_lines(tmp_path / "log")) == ["plain"]
    assert _counts(log) == (1, 1, 0)


def test_many_threads_may_record_at_once(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    log = PredictionLog(
        str(tmp_path / "log"), rate=1, capacity=50, on_result=lambda result, count: told.update({result: count})
    )
    start = threading.Barrier(4)

    def record() -> None:
        start.wait()
        for _ in range(500):
            log.record(_prediction())

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close(LONG)
    assert log.written == len(_lines(tmp_path / "log"))
    assert log.written + log.dropped == 2000
    assert log.failed == 0


def test_neither_the_log_nor_what_it_needs_imports_an_http_client(tmp_path: Path) -> None:
    script = """
import predictors.serving.prediction_log.log
PredictionLog("http://127.0.0.1/", rate=1)
print(sorted({"http.client", "httpx"} & set(sys.modules)))
"""
    assert _run(script) == b"[]\n"
