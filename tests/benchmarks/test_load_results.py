# SPDX-License-Identifier: Apache-2.0
"""What wrk and h2load print, read into results."""

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.load.h2load import parse_h2load
from benchmarks.load.wrk import parse_wrk

WRK = """Running 1s test @ http://127.0.0.1:8080/v2/models/linear/infer
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.24ms    2.33ms  36.66ms   96.18%
    Req/Sec    16.32k     2.11k   19.35k    75.00%
  16250 requests in 1.00s, 5.50MB read
Requests/sec:  16243.10
Transfer/sec:      5.50MB
RESULT {"requests": 16250, "microseconds": 1000500, "refused": 50, "failed": 1, "p50": 850, "p99": 7600, "worst": 36660}
"""

H2LOAD = """starting benchmark...
finished in 2.00s, 1619.50 req/s, 337.00KB/s
requests: 3239 total, 3247 started, 3239 done, 3239 succeeded, 2 failed, 3 errored, 4 timeout
status codes: 3241 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 674.00KB (690176) total, 110.90KB (113562) headers (space savings 71.85%), 382.75KB (391919) data
                     min         max         mean         sd        +/- sd
time for request:     1.15ms     15.29ms      4.92ms      1.13ms    82.37%
"""


def test_what_wrk_tells_is_rate_without_refusals_and_latencies_in_milliseconds() -> None:
    result = parse_wrk(WRK, processor_seconds=0.2001)
    assert result.per_second == pytest.approx(16_200 / 1.0005)
    assert (result.failed, result.p50, result.p99) == (1, 0.85, 7.6)
    assert result.load_share == pytest.approx(0.2)


def test_what_h2load_tells_is_rate_losses_and_bytes_of_answers() -> None:
    assert parse_h2load(H2LOAD) == (1619.5, 3239, 9, 391_919)


@pytest.mark.parametrize("parse", [parse_wrk, parse_h2load], ids=["wrk", "h2load"])
def test_output_without_a_result_is_told(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1")
