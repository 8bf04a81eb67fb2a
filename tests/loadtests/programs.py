# SPDX-License-Identifier: Apache-2.0
"""The programs of a load test as a user starts them: the server of known behaviour, `portside loadtest`, and Locust."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
RUN_SECONDS = 45


@dataclass(frozen=True)
class Record:
    """What a known server did, on the clock that all processes of the machine share.

    Attributes:
        requests: Of each inference: when it was read, when it was answered (0: never), both in ns, and its status.
        freezes: Start and end of each freeze, in ns.
    """

    requests: list[tuple[int, int, int]]
    freezes: list[tuple[int, int]]

    def service_ms(self) -> list[float]:
        """Return how long each took that was answered rightly or wrongly, but not refused; the shortest first."""
        return sorted((answered - read) / 1e6 for read, answered, status in self.requests if answered and status == 200)


@dataclass
class KnownServer:
    """A server that answers; its record is there once it has ended."""

    process: "subprocess.Popen[str]"
    port: int
    _record: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_for_inferences(self, number: int) -> None:
        """Return once it was asked that often."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with urlopen(f"{self.url}/inferences", timeout=10) as response:
                if orjson.loads(response.read()) >= number:
                    return
            time.sleep(0.05)
        raise AssertionError(f"not asked {number} times in {START_SECONDS} s")

    def end(self) -> Record:
        """End it, unless it has ended itself, and return its record."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        told = orjson.loads(self._record.read_bytes())
        return Record([tuple(one) for one in told["requests"]], [tuple(one) for one in told["freezes"]])


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[KnownServer]:
    """Run a known server on a free port until the block ends."""
    record = folder / "record.json"
    words = [sys.executable, "-m", "tests.loadtests.known_server", "--record", str(record), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield KnownServer(process, orjson.loads(process.stdout.readline())["port"], record)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@dataclass(frozen=True)
class LoadTest:
    """What `portside loadtest` has said.

    Attributes:
        code: Its exit code.
        text: Its standard output.
        errors: Its standard error.
        document: What it wrote as JSON; empty where it wrote nothing.
        page: What it wrote as HTML to the folder's report.html, if it did.
    """

    code: int
    text: str
    errors: str
    document: dict[str, Any]
    page: str

    @property
    def verdict(self) -> str:
        return str(self.document.get("verdict", {}).get("outcome"))

    @property
    def requests(self) -> int:
        return int(self.document["requests"]["count"])

    @property
    def failed(self) -> int:
        return int(self.document["requests"]["failed"])

    @property
    def dropped(self) -> int:
        return int(self.document["generator"]["dropped"])

    @property
    def codes(self) -> dict[str, int]:
        """How many of those that failed had which code."""
        return {one["code"]: int(one["failed"]) for one in self.document["by_code"] if one["failed"]}

    @property
    def more_requests(self) -> int | None:
        told = self.document["verdict"]["more_requests"]
        return None if told is None else int(told)

    @property
    def lag_ms(self) -> float:
        """How late requests left, at the 99th percentile."""
        return float(self.document["generator"]["lag"]["p99"]) * 1000

    @property
    def longest_lag_ms(self) -> float:
        """How late the latest request left."""
        return float(self.document["generator"]["lag"]["max"]) * 1000

    def percentile_ms(self, kind: str, share: float) -> float:
        """Return a percentile of "latency", from due, or "service", from sent."""
        return float(self.document[kind][f"p{share * 100:g}"]) * 1000

    def interval(self, objective: str) -> tuple[float, float]:
        """Return the confidence interval of an objective that is a share."""
        (found,) = (one for one in self.document["verdict"]["objectives"] if one["name"] == objective)
        return float(found["low"]), float(found["high"])

    @property
    def everything(self) -> str:
        return f"exit code {self.code}\n{self.text}\n{self.errors}"


class Program:
    """A module of Python that runs as a program, in a session of its own."""

    def __init__(self, module: str, *words: str | Path) -> None:
        command = [sys.executable, "-m", module, *map(str, words)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
            # Where this process is one of a shell's in the background, Ctrl-C is ignored, and so it would be in what
            # it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no threads here)
        )

    def interrupt(self) -> None:
        """Press Ctrl-C: every process of a terminal's foreground is interrupted."""
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end, as a supervisor does."""
        self.process.terminate()

    def end(self) -> "subprocess.CompletedProcess[str]":
        """Wait for its end."""
        text, errors = self.process.communicate(timeout=RUN_SECONDS)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, text, errors)

    def kill(self) -> None:
        """Leave nothing of it behind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@contextmanager
def running(module: str, *words: str | Path) -> Iterator[Program]:
    """Run a module of Python as a program, to the end of the block at most."""
    program = Program(module, *words)
    try:
        yield program
    finally:
        program.kill()


def run(module: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a module of Python as a program to its end."""
    with running(module, *words) as program:
        return program.end()


class LoadProgram(Program):
    """`portside loadtest`, which writes its figures to a folder, and its page where that is asked for."""

    def __init__(self, folder: Path, *words: str | Path) -> None:
        self._document, self._page = folder / "report.json", folder / "report.html"
        self._document.unlink(missing_ok=True)
        super().__init__("portside", "loadtest", *words, "--json", self._document)

    def told(self) -> LoadTest:
        """Wait for its end, and return what it has said."""
        ended = self.end()
        document = orjson.loads(self._document.read_bytes()) if self._document.exists() else {}
        page = self._page.read_text() if self._page.exists() else ""
        return LoadTest(ended.returncode, ended.stdout, ended.stderr, document, page)


@contextmanager
def loading(folder: Path, *words: str | Path) -> Iterator[LoadProgram]:
    """Run `portside loadtest` to the end of the block at most."""
    program = LoadProgram(folder, *words)
    try:
        yield program
    finally:
        program.kill()


def loadtest(folder: Path, *words: str | Path) -> LoadTest:
    """Run `portside loadtest` to its end."""
    with loading(folder, *words) as program:
        return program.told()
