# SPDX-License-Identifier: Apache-2.0
"""Two workers against one on two cores.

Load and server share the cores here, so the request is a heavy one: 200 rows for the forest, scored on the event loop.
What server and load generator take of the cores is measured and told.
"""

from typing import Final

from benchmarks.figures import Ledger
from benchmarks.load.wrk import steady
from benchmarks.machine import BOTH_CORES
from benchmarks.memory import memory_of
from benchmarks.processor import processor_time
from benchmarks.requests import json_request
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.portside import Portside

ONE: Final = "1 worker"
TWO: Final = "2 workers"
PER_SECOND: Final = "requests/s, 32 connections, 200 rows each"
PROPORTIONAL: Final = "MB proportional (PSS), all processes"
RESIDENT: Final = "MB resident (RSS), all processes"
CORES: Final = "cores that the server used"
LOAD_SHARE: Final = "share of a core that the load took"
_ROWS: Final = 200
_CONNECTIONS: Final = 32


def _measure(bench: Bench, ledger: Ledger) -> None:
    model = bench.models["forest"]
    request = json_request(model, _ROWS)
    for turn in range(bench.plan.rounds):
        for kind in (Portside(ONE, workers=1), Portside(TWO, workers=2)):
            bench.say(f"workers: {kind.name}, round {turn + 1} of {bench.plan.rounds}")
            with bench.serving(kind, model, cores=BOTH_CORES) as server:
                for seconds in (bench.plan.warm_up_seconds, bench.plan.seconds):
                    before = processor_time(server.pid)
                    result = steady(server, request, connections=_CONNECTIONS, seconds=seconds, cores=BOTH_CORES)
                    after = processor_time(server.pid)
                memory = memory_of(server.pid)
            ledger.add(PER_SECOND, model.name, kind.name, result.per_second)
            ledger.add(CORES, model.name, kind.name, (sum(after) - sum(before)) / result.seconds)
            ledger.add(LOAD_SHARE, model.name, kind.name, result.load_share)
            ledger.add(RESIDENT, model.name, kind.name, memory.resident)
            if memory.proportional is not None:
                ledger.add(PROPORTIONAL, model.name, kind.name, memory.proportional)


SECTION: Final = Section("workers", "Two workers on two cores, shared with the load", ONE, _measure)
