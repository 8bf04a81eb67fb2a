# SPDX-License-Identifier: Apache-2.0
"""A run led by one process and played by another that was started with none of its options."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.loadtests import programs
from tests.loadtests.programs import KnownServer, Program


def test_a_worker_that_was_told_nothing_plays_the_run_of_its_leader(
    known_server: Callable[..., KnownServer], known_requests: Path, slo_file: Callable[[str], Path], tmp_path: Path
) -> None:
    server = known_server("--delay", "2ms")
    slo = slo_file("latency: {p50: 5s}\nerror_rate: 0.5\nmin_requests: 50\n")
    load = ("--model", "known", "--input", known_requests, "--rate", "100", "--duration", "4", "--arrivals", "constant")
    led = (*load, "--host", server.url, "--max-lag", "1000", "--slo", slo, "--expect-workers", "2")
    with programs.loading(tmp_path, *led) as leader, _worker() as one, _worker() as other:
        told = leader.told()
        assert [one.end().returncode, other.end().returncode] == [0, 0]
    assert (told.code, told.verdict) == (0, "PASS"), told.everything
    assert (told.requests, told.failed) == (400, 0)
    assert told.document["run"]["workers"] == 2
    assert len([status for _, _, status in server.end().requests if status == 200]) == 400


def _worker() -> AbstractContextManager[Program]:
    return programs.running("portside", "loadtest", "--model", "any", "--worker-of", "127.0.0.1")
