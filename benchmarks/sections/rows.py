# SPDX-License-Identifier: Apache-2.0
"""What rows cost: one request with 1 to 10,000 rows, against scikit-learn's own call in this process."""

import time
from statistics import median
from typing import Final

from benchmarks.answers import check_rest
from benchmarks.figures import PORTSIDE, Ledger
from benchmarks.load.wrk import steady
from benchmarks.models import Model
from benchmarks.requests import binary_request, json_request
from benchmarks.sections.section import Bench, Section

IN_PROCESS: Final = "predict_proba in process"
JSON: Final = "Portside, JSON"
BINARY: Final = "Portside, binary"
METRIC: Final = "p50 ms of a request, 1 connection"
_MODELS: Final = ("linear", "forest")
_CALL_SECONDS: Final = 0.5
_FEWEST_CALLS: Final = 3


def _measure(bench: Bench, ledger: Ledger) -> None:
    server = bench.fleet.servers()[PORTSIDE]
    for name in _MODELS:
        check_rest(server.ports.http, bench.models[name], PORTSIDE)
    for turn in range(bench.plan.rounds):
        for name in _MODELS:
            bench.say(f"rows: {name}, round {turn + 1} of {bench.plan.rounds}")
            model = bench.models[name]
            for count in bench.plan.row_counts:
                case = f"{name}, {count:,} row{'s' if count > 1 else ''}"
                ledger.add(METRIC, case, IN_PROCESS, _call_ms(model, count))
                for subject, request in ((JSON, json_request(model, count)), (BINARY, binary_request(model, count))):
                    result = steady(server, request, connections=1, seconds=bench.plan.seconds)
                    ledger.add(METRIC, case, subject, result.p50)


def _call_ms(model: Model, count: int) -> float:
    """Return the median time of scikit-learn's call in ms."""
    taken: list[float] = []
    end = time.perf_counter() + _CALL_SECONDS
    while len(taken) < _FEWEST_CALLS or time.perf_counter() < end:
        begin = time.perf_counter()
        model.probabilities(count)
        taken.append((time.perf_counter() - begin) * 1e3)
    return median(taken)


SECTION: Final = Section("rows", "Rows in a request", IN_PROCESS, _measure)
