# SPDX-License-Identifier: Apache-2.0
"""What micro-batching gives to a model that scikit-learn itself scores."""

from contextlib import ExitStack
from typing import Final

from benchmarks.figures import Ledger
from benchmarks.load.wrk import steady
from benchmarks.requests import json_request
from benchmarks.sections.http_speed import CONNECTIONS, P99, PER_SECOND
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.portside import Portside

ALONE: Final = "one by one"
BATCHED: Final = "batched"


def _measure(bench: Bench, ledger: Ledger) -> None:
    model = bench.models["boosting"]
    request = json_request(model)
    kinds = (Portside(BATCHED), Portside(ALONE, environ={"PREDICTOR_MAX_BATCH_ROWS": "1"}))
    with ExitStack() as stack:
        bench.say("batching: starting the servers")
        servers = [stack.enter_context(bench.serving(kind, model)) for kind in kinds]
        for server in servers:
            steady(server, request, connections=CONNECTIONS, seconds=bench.plan.warm_up_seconds)
        for turn in range(bench.plan.rounds):
            bench.say(f"batching: round {turn + 1} of {bench.plan.rounds}")
            for server in servers:
                result = steady(server, request, connections=CONNECTIONS, seconds=bench.plan.seconds)
                ledger.add(PER_SECOND, model.name, server.name, result.per_second)
                ledger.add(P99, model.name, server.name, result.p99)


SECTION: Final = Section("batching", "Micro-batching on Portside", ALONE, _measure)
