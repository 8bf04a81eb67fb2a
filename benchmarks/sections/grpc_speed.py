# SPDX-License-Identifier: Apache-2.0
"""gRPC: requests a second, one row a request, for all peers."""

from typing import Final

from benchmarks.answers import check_grpc
from benchmarks.figures import STOCK, Ledger
from benchmarks.load.h2load import h2load
from benchmarks.requests import grpc_message
from benchmarks.sections.http_speed import MODELS
from benchmarks.sections.section import Bench, Section

CONNECTIONS: Final = 8
PER_SECOND: Final = "requests/s, 8 connections"


def _measure(bench: Bench, ledger: Ledger) -> None:
    bench.say("grpc: checking answers and warming up")
    loads = []
    for name in MODELS:
        model = bench.models[name]
        for server in bench.fleet.servers().values():
            size = check_grpc(server.ports.grpc, model, server.name)
            loads.append((server, name, grpc_message(model), size))
    for server, _, message, size in loads:
        h2load(
            server,
            message,
            connections=CONNECTIONS,
            seconds=bench.plan.warm_up_seconds,
            answer_bytes=size,
        )
    for turn in range(bench.plan.rounds):
        bench.say(f"grpc: round {turn + 1} of {bench.plan.rounds}")
        for server, name, message, size in loads:
            result = h2load(server, message, connections=CONNECTIONS, seconds=bench.plan.seconds, answer_bytes=size)
            ledger.add(PER_SECOND, name, server.name, result.per_second)


SECTION: Final = Section("grpc", "gRPC, one row a request, closed loop of h2load", STOCK, _measure)
