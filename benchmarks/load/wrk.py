# SPDX-License-Identifier: Apache-2.0
"""HTTP load in a closed loop: wrk, one thread, every connection with one request at a time."""

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from benchmarks.errors import BenchmarkError, UsageError
from benchmarks.machine import LOAD_CORE, on_cores
from benchmarks.requests import HttpRequest
from benchmarks.servers.server import Server

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_MARK: Final = "RESULT "
#: How much longer than its load wrk may take, in seconds: the answers under way at its end.
_GRACE: Final = 30


class WrkResult(NamedTuple):
    """What came of one load.

    Attributes:
        requests: Answers in all.
        seconds: How long it took.
        refused: Answers with a status of 400 or more.
        failed: Connections and requests that were lost.
        p50: Median latency in ms.
        p99: 99th percentile in ms.
        load_share: The share of one core's time that wrk itself took.
    """

    requests: int
    seconds: float
    refused: int
    failed: int
    p50: float
    p99: float
    load_share: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return (self.requests - self.refused) / self.seconds


def require_wrk() -> None:
    """Raise UsageError with the way to install wrk when it is missing."""
    if shutil.which("wrk") is None:
        raise UsageError("wrk is missing; install it: `apt install wrk` (Debian, Ubuntu), `brew install wrk` (macOS)")


def wrk(server: Server, request: HttpRequest, *, connections: int, seconds: int, cores: str = LOAD_CORE) -> WrkResult:
    """Load a server and return what came of it; refusals are counted, not raised.

    Raises:
        BenchmarkError: wrk failed, or requests were lost.
    """
    with tempfile.NamedTemporaryFile(prefix="portside-bench-") as body:
        body.write(request.body)
        body.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)]
        command = ["wrk", *options, f"http://127.0.0.1:{server.ports.http}{request.path}", "--", body.name, *headers]
        done = subprocess.run(
            on_cores(cores, command), capture_output=True, text=True, timeout=seconds + _GRACE, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchmarkError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = parse_wrk(done.stdout, taken)
    if result.failed or not result.requests:
        raise BenchmarkError(
            f"{server.name} answered {result.requests} requests to {request.path}, {result.failed} were lost"
        )
    return result


def steady(
    server: Server, request: HttpRequest, *, connections: int, seconds: int, cores: str = LOAD_CORE
) -> WrkResult:
    """Load a server that must not refuse anything; as ``wrk`` otherwise.

    Raises:
        BenchmarkError: wrk failed, or a request was lost or refused.
    """
    result = wrk(server, request, connections=connections, seconds=seconds, cores=cores)
    if result.refused:
        raise BenchmarkError(f"{server.name} refused {result.refused} of {result.requests} requests to {request.path}")
    return result


def parse_wrk(output: str, processor_seconds: float = 0.0) -> WrkResult:
    """Return the result that the script printed.

    Args:
        output: wrk's standard output.
        processor_seconds: The processor time that wrk took.

    Raises:
        BenchmarkError: It printed none.
    """
    line = next((line for line in output.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise BenchmarkError(f"wrk printed no result: {output.strip()}")
    told = orjson.loads(line.removeprefix(_MARK))
    seconds = told["microseconds"] / 1e6
    return WrkResult(
        requests=told["requests"],
        seconds=seconds,
        refused=told["refused"],
        failed=told["failed"],
        p50=told["p50"] / 1e3,
        p99=told["p99"] / 1e3,
        load_share=processor_seconds / seconds,
    )
