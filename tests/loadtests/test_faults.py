# SPDX-License-Identifier: Apache-2.0
"""What is wrong is told in one sentence, before the load begins where that is possible; what was measured is kept."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loadtests import programs
from tests.loadtests.programs import KnownServer, LoadProgram

Server = Callable[..., KnownServer]
Slo = Callable[[str], Path]

SLO = "latency: {p95: 1s}\nerror_rate: 0.01\nmin_requests: 100\n"


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def refused(known_requests: Path, tmp_path: Path, slo_file: Slo) -> Callable[..., str]:
    """Call the command line with something wrong; return its one sentence."""

    def call(host: str, **changed: object) -> str:
        told = {"model": "known", "input": known_requests, "host": host, "rate": 50, "duration": 2}
        told |= {"slo": slo_file(SLO), **changed}
        ended = programs.loadtest(tmp_path, *(f"--{name.replace('_', '-')}={value}" for name, value in told.items()))
        assert ended.code == 2, ended.everything
        assert ended.document == {}
        assert "Traceback" not in ended.everything
        # Click shows the usage above a sentence of its own; a run that was begun has said so.
        *before, sentence = [line for line in ended.errors.splitlines() if line.strip()]
        assert all(line.startswith(("Usage", "Try", "portside: ")) for line in before)
        return sentence

    return call


def test_an_unknown_host_is_told_before_the_load_begins(refused: Callable[..., str]) -> None:
    sentence = refused("http://no-such-host.invalid:8080")
    assert "no-such-host.invalid" in sentence
    assert "--host" in sentence


def test_a_server_that_is_down_is_told_before_the_load_begins(refused: Callable[..., str], closed_port: int) -> None:
    sentence = refused(f"http://127.0.0.1:{closed_port}")
    assert f"127.0.0.1:{closed_port}" in sentence
    assert "refused" in sentence


def test_a_model_that_is_not_served_is_told_before_the_load_begins(
    refused: Callable[..., str], known_server: Server
) -> None:
    server = known_server()
    sentence = refused(server.url, model="nope")
    assert "nope" in sentence
    assert server.end().requests == []


def test_a_host_without_scheme_is_told(refused: Callable[..., str], known_server: Server) -> None:
    sentence = refused(f"127.0.0.1:{known_server().port}")
    assert "http://" in sentence


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("latency: {p95: 100ms}\nerors: 0.1\n", "erors"),
        ("latency: {p95: quick}\n", "p95"),
        ("latency: {p101: 100ms}\n", "p101"),
        ("error_rate: 7\n", "error_rate"),
        ("- a\n- list\n", "latency"),
        ("latency: {p95: [\n", "slo-"),
        ("", "slo-"),
    ],
)
def test_a_malformed_slo_file_is_told(refused: Callable[..., str], slo_file: Slo, text: str, names: str) -> None:
    path = slo_file(text)
    sentence = refused("http://127.0.0.1:9", slo=path)
    assert path.name in sentence
    assert names in sentence


def test_files_that_are_not_there_are_told(refused: Callable[..., str], tmp_path: Path) -> None:
    for option in ("slo", "input", "replay"):
        changed = {option: tmp_path / "nothing.here"}
        sentence = refused("http://127.0.0.1:9", **changed)
        assert "nothing.here" in sentence, option


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"inputs": []}', '{"inputs": [{"name": "x", "shape": [1], "data": [1]}]}']
)
def test_a_line_that_is_no_request_is_named(
    refused: Callable[..., str], known_server: Server, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "broken.jsonl"
    good = '{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [1.0]}]}'
    path.write_text(f"{good}\n{line}\n")
    sentence = refused(known_server().url, input=path)
    assert "broken.jsonl" in sentence
    assert "line 2" in sentence


@pytest.mark.parametrize("rate", ["fast", "-1", "0", "nan", "50..", "50@", "50,,60", "50@10s,60"])
def test_a_bad_rate_is_told(refused: Callable[..., str], rate: str) -> None:
    assert rate in refused("http://127.0.0.1:9", rate=rate)


def test_an_unknown_tag_is_told(refused: Callable[..., str], known_server: Server) -> None:
    assert "--tags" in refused(known_server().url, tags="no-such-tag")


def test_a_server_that_dies_midway_fails_and_nothing_is_lost(
    known_server: Server, known_requests: Path, slo_file: Slo, tmp_path: Path
) -> None:
    server = known_server("--delay", "5ms", "--die-after", "2s")
    told = programs.loadtest(
        tmp_path,
        *("--model", "known", "--input", known_requests, "--host", server.url, "--rate", "100", "--duration", "8"),
        *("--arrivals", "constant", "--warmup", "0", "--max-lag", "1000", "--slo", slo_file(SLO)),
        *("--report", tmp_path / "report.html"),
    )
    assert (told.code, told.verdict) == (1, "FAIL"), told.everything
    assert told.requests == 800
    answered = sum(1 for _, answer, status in server.end().requests if answer and status == 200)
    assert 150 <= told.requests - told.failed <= answered <= 210
    assert told.codes["connection refused"] > 550
    assert "connection refused" in told.page
    assert "Traceback" not in told.everything


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("end", [LoadProgram.interrupt, LoadProgram.terminate], ids=["ctrl-c", "sigterm"])
def test_a_run_that_is_ended_early_reports_what_was_measured(
    known_server: Server,
    known_requests: Path,
    slo_file: Slo,
    tmp_path: Path,
    *,
    end: Callable[[LoadProgram], None],
    workers: int,
) -> None:
    server = known_server("--delay", "5ms")
    # At this rate it mostly comes while a request is being sent or answered, none of which may be torn out of its work.
    words = ("--model", "known", "--input", known_requests, "--host", server.url, "--rate", "1000", "--duration", "60")
    slo = slo_file("latency: {p95: 1s}\nmin_requests: 50\n")
    with programs.loading(
        tmp_path, *words, f"--workers={workers}", "--slo", slo, "--report", tmp_path / "report.html"
    ) as program:
        server.wait_for_inferences(1000)
        end(program)
        told = program.told()
    assert (told.code, told.verdict) == (3, "INCONCLUSIVE"), told.everything
    assert told.requests >= 900
    assert "interrupted" in told.text
    assert told.page
    assert "Traceback" not in told.everything
