# SPDX-License-Identifier: Apache-2.0
"""Overload: three times what the server can do, in an open loop, on a model that scikit-learn itself scores.

The generator itself is held against an echo at the same rate, whose latency is the generator's own.
"""

from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.figures import PORTSIDE, PROTOCOL_ECHO, Ledger
from benchmarks.load.open_loop import OpenLoopResult, open_loop
from benchmarks.load.wrk import wrk
from benchmarks.requests import json_request
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.echo import PROTOCOL, echoes
from benchmarks.servers.portside import Portside
from benchmarks.servers.server import started

CAPACITY: Final = "capacity, answers/s"
GOODPUT: Final = "good answers at 3x, as a share of capacity"
REFUSED_P99: Final = "p99 ms of answers 429"
ECHO_P99: Final = "p99 ms of an echo at that rate, the generator's own part"
REFUSED: Final = "answers 429, as a share of all"
GOOD_P99: Final = "p99 ms of good answers"
_FACTOR: Final = 3
#: Capacity is the best of these closed loops: batches grow with the number of connections.
_CAPACITY_CONNECTIONS: Final = (16, 32, 64)
_CONNECTIONS: Final = 512
#: A generator that takes longer than this by itself measures itself.
_MOST_OWN_MS: Final = 5.0


def _measure(bench: Bench, ledger: Ledger) -> None:
    model = bench.models["boosting"]
    request = json_request(model)
    bench.say("overload: starting the server")
    with (
        bench.serving(Portside(), model) as server,
        started(PROTOCOL, [model], bench.folder / "alone", echoes) as echo,
    ):
        seconds = bench.plan.probe_seconds
        wrk(server, request, connections=16, seconds=bench.plan.warm_up_seconds)
        for turn in range(bench.plan.rounds):
            bench.say(f"overload: round {turn + 1} of {bench.plan.rounds}")
            capacity = max(
                wrk(server, request, connections=connections, seconds=bench.plan.seconds).per_second
                for connections in _CAPACITY_CONNECTIONS
            )
            ledger.add(CAPACITY, model.name, PORTSIDE, capacity)
            result, own = (
                open_loop(asked.ports.http, request, rate=_FACTOR * capacity, seconds=seconds, connections=_CONNECTIONS)
                for asked in (server, echo)
            )
            if result.by_status.keys() - {200, 429} or result.unanswered:
                raise BenchmarkError(f"under overload there are answers besides 200 and 429, or none: {result}")
            ledger.add(ECHO_P99, model.name, PROTOCOL_ECHO, own.by_status[200].p99)
            if own.by_status[200].p99 > _MOST_OWN_MS:
                ledger.note(
                    f"Rounds at which the generator itself took more than {_MOST_OWN_MS:g} ms (p99) are left out: "
                    "it fell behind."
                )
                continue
            _enter(ledger, model.name, result, capacity)


def _enter(ledger: Ledger, case: str, result: OpenLoopResult, capacity: float) -> None:
    good, refused = result.by_status.get(200), result.by_status.get(429)
    ledger.add(GOODPUT, case, PORTSIDE, (good.answers if good else 0) / result.seconds / capacity)
    ledger.add(REFUSED, case, PORTSIDE, (refused.answers if refused else 0) / result.scheduled)
    if good:
        ledger.add(GOOD_P99, case, PORTSIDE, good.p99)
    if refused:
        ledger.add(REFUSED_P99, case, PORTSIDE, refused.p99)


SECTION: Final = Section("overload", "Open loop at three times capacity", None, _measure)
