# SPDX-License-Identifier: Apache-2.0
"""Start and memory: from a process to its first right answer, and what it holds after a load; one model a server."""

from typing import Final

from benchmarks.figures import STOCK, Ledger
from benchmarks.load.wrk import steady
from benchmarks.memory import memory_of
from benchmarks.requests import json_request
from benchmarks.sections.http_speed import CONNECTIONS
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.fleet import peers

SECONDS: Final = "s from process start to first right answer"
RESIDENT: Final = "MB resident (RSS) after load"
PROPORTIONAL: Final = "MB proportional (PSS) after load"


def _measure(bench: Bench, ledger: Ledger) -> None:
    for turn in range(bench.plan.rounds):
        for name in bench.plan.start_models:
            model = bench.models[name]
            for peer in peers():
                bench.say(f"start: {peer.name}, {name}, round {turn + 1} of {bench.plan.rounds}")
                with bench.serving(peer, model) as server:
                    ledger.add(SECONDS, name, server.name, server.start_seconds)
                    steady(
                        server,
                        json_request(model),
                        connections=CONNECTIONS,
                        seconds=bench.plan.warm_up_seconds,
                    )
                    memory = memory_of(server.pid)
                ledger.add(RESIDENT, name, peer.name, memory.resident)
                if memory.proportional is not None:
                    ledger.add(PROPORTIONAL, name, peer.name, memory.proportional)


SECTION: Final = Section("start", "Start and memory, files in the page cache", STOCK, _measure)
