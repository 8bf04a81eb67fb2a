# SPDX-License-Identifier: Apache-2.0
"""Health under load: live and ready are probed by a schedule while a model without a fast scorer is kept busy."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.figures import STOCK, Ledger
from benchmarks.load.open_loop import open_loop
from benchmarks.load.wrk import steady
from benchmarks.requests import HttpRequest, json_request
from benchmarks.sections.http_speed import CONNECTIONS
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.server import Server

WORST: Final = "worst ms of a probe"
SLOW: Final = "probes above 50 ms"
CASES: Final = ("live", "ready")
_RATE: Final = 100.0
_CONNECTIONS: Final = 32


def _measure(bench: Bench, ledger: Ledger) -> None:
    for turn in range(bench.plan.rounds):
        for server in bench.fleet.servers().values():
            bench.say(f"health: {server.name}, round {turn + 1} of {bench.plan.rounds}")
            _one_round(bench, ledger, server)


def _one_round(bench: Bench, ledger: Ledger, server: Server) -> None:
    seconds = bench.plan.probe_seconds
    load = json_request(bench.models["boosting"])

    def probe(case: str) -> None:
        request = HttpRequest(f"/v2/health/{case}")
        result = open_loop(server.ports.http, request, rate=_RATE, seconds=seconds, connections=_CONNECTIONS)
        good = result.by_status.get(200)
        if good is None or good.answers < result.scheduled:
            raise BenchmarkError(f"{server.name} did not answer every probe of {request.path} with 200: {result}")
        ledger.add(WORST, case, server.name, good.worst)
        ledger.add(SLOW, case, server.name, good.slow)

    with ThreadPoolExecutor(len(CASES)) as pool:
        # The generators take a moment to start: the load outlasts the probes on both sides.
        probes = [pool.submit(probe, case) for case in CASES]
        steady(server, load, connections=CONNECTIONS, seconds=seconds + 2)
        for done in probes:
            done.result()


SECTION: Final = Section(
    "health", "Health probes every 10 ms while 16 connections load histogram gradient boosting", STOCK, _measure
)
