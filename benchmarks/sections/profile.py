# SPDX-License-Identifier: Apache-2.0
"""Where the time of one request goes: the stages by themselves, and the server's own processor time under load.

Parse, validate, score and serialise are measured in this process, each in a loop of its own. Under load at full speed
the server's processor time is divided by its answers; what it spends outside of the kernel beyond the four stages is
the HTTP protocol, routing, counting and the event loop.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final

import orjson
from threadpoolctl import threadpool_limits

from benchmarks.figures import PORTSIDE, Ledger
from benchmarks.load.wrk import steady
from benchmarks.models import Model
from benchmarks.processor import processor_time
from benchmarks.requests import json_request
from benchmarks.sections.http_speed import CONNECTIONS, MODELS
from benchmarks.sections.section import Bench, Section
from predictors import load

METRIC: Final = "µs of one request"
PARSE: Final = "parse"
VALIDATE: Final = "validate"
SCORE: Final = "score"
SERIALISE: Final = "serialise"
SERVER: Final = "server: HTTP, routing, counters, event loop"
KERNEL: Final = "kernel: sockets"
TOTAL: Final = "all"
_LOOPS: Final = 7
_CALLS: Final = 1_000


def _measure(bench: Bench, ledger: Ledger) -> None:
    server = bench.fleet.servers()[PORTSIDE]
    for name in MODELS:
        bench.say(f"profile: {name}")
        model = bench.models[name]
        stages = _stages(model)
        for stage, microseconds in stages.items():
            ledger.add(METRIC, stage, name, microseconds)
        request = json_request(model)
        steady(server, request, connections=CONNECTIONS, seconds=bench.plan.warm_up_seconds)
        for _ in range(bench.plan.rounds):
            before = processor_time(server.pid)
            result = steady(server, request, connections=CONNECTIONS, seconds=bench.plan.seconds)
            after = processor_time(server.pid)
            user, system = after.user - before.user, after.system - before.system
            ledger.add(METRIC, SERVER, name, user / result.requests * 1e6 - sum(stages.values()))
            ledger.add(METRIC, KERNEL, name, system / result.requests * 1e6)
            ledger.add(METRIC, TOTAL, name, (user + system) / result.requests * 1e6)


def _stages(model: Model) -> Mapping[str, float]:
    """Return the microseconds of each stage."""
    served = load(model.artifact)
    body = json_request(model).body
    request = served.reader.read(body)
    outputs = served.predict(request.inputs)
    with threadpool_limits(limits=1):
        parse = _microseconds(lambda: orjson.loads(body))
        return {
            PARSE: parse,
            VALIDATE: _microseconds(lambda: served.reader.read(body)) - parse,
            SCORE: _microseconds(lambda: served.predict(request.inputs)),
            SERIALISE: _microseconds(lambda: served.writer.write(request, outputs)),
        }


def _microseconds(call: Callable[[], object]) -> float:
    """Return the median over some loops of the mean time of a call."""
    taken = []
    for _ in range(_LOOPS):
        begin = time.perf_counter()
        for _ in range(_CALLS):
            call()
        taken.append((time.perf_counter() - begin) / _CALLS * 1e6)
    return median(taken)


SECTION: Final = Section("profile", "Where the time of one request goes", None, _measure)
