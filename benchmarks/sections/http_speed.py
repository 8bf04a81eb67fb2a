# SPDX-License-Identifier: Apache-2.0
"""REST: requests a second and latency, one row a request, for all peers and the two limits."""

from contextlib import ExitStack
from typing import Final

from benchmarks.answers import check_rest
from benchmarks.figures import STOCK, Ledger
from benchmarks.load.wrk import steady
from benchmarks.models import Model
from benchmarks.requests import json_request
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.echo import ASGI, PROTOCOL, echoes
from benchmarks.servers.server import Server, started

CONNECTIONS: Final = 16
PER_SECOND: Final = "requests/s, 16 connections"
P50: Final = "p50 ms, 1 connection"
P99: Final = "p99 ms, 16 connections"
#: The models whose speed is compared; the echoes answer the first one's request.
MODELS: Final = ("linear", "forest", "spam")


def _measure(bench: Bench, ledger: Ledger) -> None:
    with ExitStack() as stack:
        bench.say("http: starting the servers")
        servers = list(bench.fleet.servers().values())
        first = bench.models[MODELS[0]]
        limits = [stack.enter_context(started(echo, [first], bench.folder, echoes)) for echo in (ASGI, PROTOCOL)]
        bench.say("http: checking answers")
        for server in servers:
            for name in MODELS:
                check_rest(server.ports.http, bench.models[name], server.name)
        pairs = [(server, bench.models[name]) for name in MODELS for server in servers]
        pairs += [(limit, first) for limit in limits]
        for server, model in pairs:
            bench.say(f"http: warming up {server.name}, {model.name}")
            steady(
                server,
                json_request(model),
                connections=CONNECTIONS,
                seconds=bench.plan.warm_up_seconds,
            )
        for turn in range(bench.plan.rounds):
            bench.say(f"http: round {turn + 1} of {bench.plan.rounds}")
            for server, model in pairs:
                _one_round(bench, ledger, server, model)


def _one_round(bench: Bench, ledger: Ledger, server: Server, model: Model) -> None:
    request = json_request(model)
    loaded = steady(server, request, connections=CONNECTIONS, seconds=bench.plan.seconds)
    ledger.add(PER_SECOND, model.name, server.name, loaded.per_second)
    ledger.add(P99, model.name, server.name, loaded.p99)
    alone = steady(server, request, connections=1, seconds=bench.plan.seconds)
    ledger.add(P50, model.name, server.name, alone.p50)


SECTION: Final = Section("http", "REST, one row a request, closed loop of wrk", STOCK, _measure)
