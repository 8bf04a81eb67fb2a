# SPDX-License-Identifier: Apache-2.0
"""What people use Locust for goes on working with these locustfiles: users, tags, files, shapes, web UI, workers."""

import csv
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson
import pytest

from loadtests.run import Run
from pipelines.use_cases import TrainedModel
from tests.loadtests import programs
from tests.loadtests.programs import KnownServer
from tests.predictors.servers import RunningServer
from tests.predictors.servers import serving as serving_artifacts
from tests.trained_models import pack_trained

Server = Callable[..., KnownServer]

SHAPE = """
from locust import LoadTestShape
from loadtests.model import *

class Stairs(LoadTestShape):
    def tick(self):
        seconds = self.get_run_time()
        if seconds < 2:
            return 1, 10
        return (3, 10) if seconds < 4 else None
"""


@pytest.fixture(scope="module")
def spam_server(trained_spam: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = pack_trained(trained_spam, "spam", tmp_path_factory.mktemp("models"))
    with serving_artifacts(folder) as running:
        yield running


@pytest.fixture
def model_words(known_server: Server, known_requests: Path) -> list[str]:
    """What Locust is told to load a known server."""
    server = known_server("--delay", "2ms")
    return ["-f", "loadtests/model.py", "--host", server.url, "--model", "known", "--input", str(known_requests)]


def locust(*words: str | Path) -> str:
    """Run Locust without its web UI to its end; return what it has printed."""
    ended = programs.run("locust", *words, "--headless")
    said = f"exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    assert ended.returncode == 0, said
    assert "Traceback" not in said
    return said


def rows(prefix: Path) -> dict[str, dict[str, str]]:
    """Return Locust's own table of requests, by name; the sum is "Aggregated"."""
    with prefix.with_name(f"{prefix.name}_stats.csv").open() as table:
        return {row["Name"]: row for row in csv.DictReader(table)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_a_plain_locust_run_loads_a_real_model(spam_server: RunningServer, tmp_path: Path) -> None:
    host = f"http://127.0.0.1:{spam_server.http_port}"
    prefix, page = tmp_path / "spam", tmp_path / "spam.html"
    files = ("--csv", prefix, "--html", page, "--json-file", prefix)
    locust("-f", "loadtests/spam.py", "--host", host, "-u", "3", "-r", "3", "-t", "4s", *files)
    total = rows(prefix)["Aggregated"]
    assert int(total["Request Count"]) > 0
    assert int(total["Failure Count"]) == 0
    assert "rest" in " ".join(rows(prefix)).lower()
    assert "<html" in page.read_text().lower()
    # The table is written some moments before the end, and requests of then may not be in it.
    counted = sum(row["num_requests"] for row in orjson.loads(prefix.with_suffix(".json").read_bytes()))
    assert counted >= int(total["Request Count"])


def test_tags_select_what_is_sent(spam_server: RunningServer, tmp_path: Path) -> None:
    host = f"http://127.0.0.1:{spam_server.http_port}"
    common = ("-f", "loadtests/spam.py", "--host", host, "-u", "2", "-r", "2", "-t", "3s")
    locust(*common, "--csv", tmp_path / "only", "--tags", "json")
    locust(*common, "--csv", tmp_path / "without", "--exclude-tags", "json")
    only, without = (set(rows(tmp_path / name)) - {"Aggregated"} for name in ("only", "without"))
    assert only
    assert without
    assert all("json" in name for name in only)
    assert not any("json" in name for name in without)


def test_an_open_loop_in_plain_locust_sends_what_was_asked(model_words: list[str], tmp_path: Path) -> None:
    locust(
        *model_words, "-u", "2", "--rate", "100", "--duration", "3", "--arrivals", "constant", "--csv", tmp_path / "a"
    )
    assert int(rows(tmp_path / "a")["Aggregated"]["Request Count"]) == 300


def test_a_shape_in_the_locustfile_decides_the_users(model_words: list[str], tmp_path: Path) -> None:
    (tmp_path / "shape.py").write_text(SHAPE)
    words = ["-f", str(tmp_path / "shape.py"), *model_words[2:]]
    locust(*words, "--csv", tmp_path / "a", "--csv-full-history")
    with (tmp_path / "a_stats_history.csv").open() as table:
        users = [int(row["User Count"]) for row in csv.DictReader(table) if row["Name"] == "Aggregated"]
    assert {1, 3} <= set(users)


def test_the_list_and_the_ratio_of_users_are_shown(model_words: list[str]) -> None:
    listed = programs.run("locust", "-f", "loadtests/spam.py", "--list")
    assert listed.returncode == 0, listed.stderr
    assert "Spam" in listed.stdout
    ratio = programs.run("locust", *model_words, "--show-task-ratio")
    assert ratio.returncode == 0, ratio.stderr
    assert "rest_json" in ratio.stdout


def test_the_web_ui_starts_stops_and_starts_again(model_words: list[str]) -> None:
    port = free_port()
    with programs.running("locust", *model_words, "--web-host", "127.0.0.1", "--web-port", str(port)) as program:
        page = Page(f"http://127.0.0.1:{port}")
        page.wait()
        assert "<html" in page.get("/").decode().lower()
        for users in (1, 3):
            stats = page.swarm(users)
            assert stats["state"] == "running"
            assert stats["fail_ratio"] == 0
            page.get("/stop")
            page.until(lambda stats: stats["state"] == "stopped")
        assert b"Request Count" in page.get("/stats/requests/csv")
        program.terminate()
        ended = program.end()
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


def test_processes_add_up(model_words: list[str], tmp_path: Path) -> None:
    port = str(free_port())
    words = (*model_words, "--processes", "2", "--master-bind-port", port, "--master-port", port)
    run_file = tmp_path / "run.json"
    load = ("--rate", "100", "--duration", "3", "--arrivals", "constant", "-u", "2", "--run-file", run_file)
    locust(*words, *load, "--csv", tmp_path / "a")
    assert int(rows(tmp_path / "a")["Aggregated"]["Request Count"]) == 300
    run = Run.read(run_file)
    assert (run.workers, run.to_measure, run.measurements.total.requests) == (2, 300, 300)
    # Each second of the timetable is shared among the processes, and comes together again.
    assert [second.requests for second in run.measurements.seconds()] == [100, 100, 100]


def test_a_master_and_its_workers_add_up(model_words: list[str], tmp_path: Path) -> None:
    port = str(free_port())
    load = ("--rate", "100", "--duration", "3", "--arrivals", "constant", "-u", "2")
    # A worker needs the locustfile; Locust's own options are the master's, and so is what the load is.
    workers = ("-f", "loadtests/model.py", "--worker", "--master-host", "127.0.0.1", "--master-port", port)
    master = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", "2")
    with (
        programs.running("locust", *workers) as one,
        programs.running("locust", *workers) as two,
    ):
        locust(*model_words, *master, *load, "--csv", tmp_path / "a")
        for worker in (one, two):
            assert worker.end().returncode == 0
    assert int(rows(tmp_path / "a")["Aggregated"]["Request Count"]) == 300


class Page:
    """Locust's web UI."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> bytes:
        with urlopen(self._url + path, timeout=10) as response:
            body: bytes = response.read()
            return body

    def post(self, path: str, **fields: object) -> None:
        with urlopen(Request(self._url + path, data=urlencode(fields).encode()), timeout=10) as response:
            assert orjson.loads(response.read())["success"]

    def swarm(self, users: int) -> dict[str, Any]:
        """Start that many users; return the statistics once they are there and have asked something."""
        self.post("/swarm", user_count=users, spawn_rate=10)
        return self.until(lambda stats: stats["user_count"] == users and total(stats) > 0)

    def wait(self) -> None:
        """Wait until it is there."""
        deadline = time.monotonic() + programs.START_SECONDS
        while True:
            try:
                self.get("/")
            except (URLError, ConnectionError):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the statistics once something holds of them."""
        deadline = time.monotonic() + programs.START_SECONDS
        while True:
            stats: dict[str, Any] = orjson.loads(self.get("/stats/requests"))
            if holds(stats):
                return stats
            assert time.monotonic() < deadline, stats
            time.sleep(0.2)


def total(stats: dict[str, Any]) -> int:
    """Return how many requests Locust has counted."""
    return int(next(row["num_requests"] for row in stats["stats"] if row["name"] == "Aggregated"))
