# SPDX-License-Identifier: Apache-2.0
"""HTTP load in an open loop: requests leave by a schedule fixed in advance, whether or not earlier ones were answered.

Latency counts from the scheduled moment, so that a server which stands still is seen to. The generator is a process of
its own, on the load's core.
"""

import base64
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from benchmarks.errors import BenchmarkError
from benchmarks.machine import LOAD_CORE, on_cores
from benchmarks.requests import HttpRequest

#: How much longer than its schedule the generator may take, in seconds.
_GRACE: Final = 40


class Latencies(NamedTuple):
    """The answers of one status, their latencies in ms from the scheduled moment.

    Attributes:
        answers: How many.
        p50: Median.
        p99: 99th percentile.
        worst: The longest.
        slow: How many took longer than the limit asked for.
    """

    answers: int
    p50: float
    p99: float
    worst: float
    slow: int


class OpenLoopResult(NamedTuple):
    """What came of one load.

    Attributes:
        scheduled: Requests in the schedule.
        seconds: From the first scheduled moment to the last answer, at least the schedule's length.
        unanswered: Requests that got no answer.
        send_delay_p99: How late requests left, in ms: a generator that fell behind makes the result invalid.
        by_status: The answers.
    """

    scheduled: int
    seconds: float
    unanswered: int
    send_delay_p99: float
    by_status: Mapping[int, Latencies]


def open_loop(
    port: int, request: HttpRequest, *, rate: float, seconds: float, connections: int, slow_ms: float = 50.0
) -> OpenLoopResult:
    """Load a server on 127.0.0.1 by a schedule with equal gaps; a request without a body is a GET.

    Args:
        port: The server's port.
        request: The request.
        rate: Requests a second.
        seconds: How long.
        connections: Kept-alive connections, each with one request at a time; a request that finds none free waits, and
            the wait counts.
        slow_ms: Answers that take longer are counted.

    Raises:
        BenchmarkError: The generator failed.
    """
    told = {
        "port": port,
        "wire": base64.b64encode(_wire(request)).decode(),
        "rate": rate,
        "seconds": seconds,
        "connections": connections,
        "slow_ms": slow_ms,
    }
    done = subprocess.run(
        on_cores(LOAD_CORE, [sys.executable, "-m", "benchmarks.load.open_loop_generator"]),
        input=orjson.dumps(told),
        capture_output=True,
        timeout=seconds + _GRACE,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the open loop failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    result = orjson.loads(done.stdout)
    by_status = {int(status): Latencies(**told) for status, told in result.pop("by_status").items()}
    return OpenLoopResult(by_status=by_status, **result)


def _wire(request: HttpRequest) -> bytes:
    headers = {"Host": "127.0.0.1", **request.headers}
    if request.body:
        headers["Content-Length"] = str(len(request.body))
    lines = [f"{'POST' if request.body else 'GET'} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + request.body
