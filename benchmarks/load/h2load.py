# SPDX-License-Identifier: Apache-2.0
"""gRPC load in a closed loop: h2load posts one encoded ModelInfer message over and over."""

import re
import shutil
import subprocess
import tempfile
from typing import Final, NamedTuple

from benchmarks.errors import BenchmarkError, UsageError
from benchmarks.machine import LOAD_CORE, on_cores
from benchmarks.requests import METHOD, grpc_frame
from benchmarks.servers.server import Server

_PREFIX_BYTES: Final = 5
_GRACE: Final = 30
#: Answers differ by a few bytes (ids, digits); an error has no message at all.
_SIZE_TOLERANCE: Final = 0.1
_RATE = re.compile(r"^finished in [\d.]+\w+, ([\d.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_DATA = re.compile(r"\((\d+)\) data$", re.MULTILINE)


class H2loadResult(NamedTuple):
    """What came of one load.

    Attributes:
        per_second: Answers a second.
        succeeded: Answers in all.
        failed: Requests that were lost.
        data_bytes: The bytes of all answers' bodies.
    """

    per_second: float
    succeeded: int
    failed: int
    data_bytes: int


def require_h2load() -> None:
    """Raise UsageError with the way to install h2load when it is missing."""
    if shutil.which("h2load") is None:
        raise UsageError(
            "h2load is missing; install it: "
            "`apt install nghttp2-client` (Debian, Ubuntu), `brew install nghttp2` (macOS)"
        )


def h2load(server: Server, message: bytes, *, connections: int, seconds: int, answer_bytes: int) -> H2loadResult:
    """Load a server over gRPC.

    Args:
        server: The server.
        message: The encoded ModelInferRequest.
        connections: Connections, each with one request at a time.
        seconds: How long to go on.
        answer_bytes: The size of the right answer's message. h2load does not read gRPC's status, which comes with
            HTTP's 200 even for errors, but an error has no message.

    Raises:
        BenchmarkError: h2load failed, or requests were lost or not answered.
    """
    with tempfile.NamedTemporaryFile(prefix="portside-bench-") as body:
        body.write(grpc_frame(message))
        body.flush()
        options = ["-t1", f"-c{connections}", "-m1", f"-D{seconds}", "-d", body.name]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command = ["h2load", *options, *headers, f"http://127.0.0.1:{server.ports.grpc}{METHOD}"]
        done = subprocess.run(
            on_cores(LOAD_CORE, command), capture_output=True, text=True, timeout=seconds + _GRACE, check=False
        )
    if done.returncode:
        raise BenchmarkError(f"h2load failed: {done.stderr.strip() or done.stdout.strip()}")
    result = parse_h2load(done.stdout)
    if result.failed or not result.succeeded:
        raise BenchmarkError(f"{server.name} answered {result.succeeded} gRPC requests, {result.failed} were lost")
    size = result.data_bytes / result.succeeded
    if abs(size / (answer_bytes + _PREFIX_BYTES) - 1) > _SIZE_TOLERANCE:
        raise BenchmarkError(
            f"gRPC answers of {server.name} under load have {size:.0f} bytes, the right one {answer_bytes}"
        )
    return result


def parse_h2load(output: str) -> H2loadResult:
    """Return the result in h2load's standard output.

    Raises:
        BenchmarkError: It holds none.
    """
    rate, requests, data = _RATE.search(output), _REQUESTS.search(output), _DATA.search(output)
    if rate is None or requests is None or data is None:
        raise BenchmarkError(f"h2load printed no result: {output.strip()}")
    succeeded, *lost = map(int, requests.groups())
    return H2loadResult(float(rate[1]), succeeded, sum(lost), int(data[1]))
