# SPDX-License-Identifier: Apache-2.0
"""The saturation search through the front door, on a server whose capacity is known."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.loadtests.programs import ROOT, KnownServer

CAPACITY = 100
SECONDS = 280


def test_the_knee_of_a_server_that_works_on_one_request_at_a_time_is_its_capacity(
    known_server: Callable[..., KnownServer], known_requests: Path, slo_file: Callable[[str], Path]
) -> None:
    server = known_server("--delay", "10ms", "--slots", "1")
    slo = slo_file("latency: {p80: 100ms}\nmin_requests: 50\nconfidence: 0.6\n")
    load = ("--model", "known", "--input", known_requests, "--host", server.url, "--slo", slo, "--max-lag", "1000")
    search = ("--find-knee", "--knee-from", "80", "--duration", "3", "--arrivals", "constant")
    words = [sys.executable, "-m", "portside", "-q", "loadtest", *map(str, (*load, *search))]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    *runs, found = done.stdout.splitlines()
    outcomes = {
        float(rate): outcome for rate, outcome in (re.findall(r"([\d.]+) requests/s  (\w+)", run)[0] for run in runs)
    }
    assert outcomes[80] == "PASS"
    assert outcomes[160] == "FAIL"
    assert max(rate for rate, outcome in outcomes.items() if outcome == "PASS") <= 1.1 * CAPACITY
    assert "requests/s" in found
