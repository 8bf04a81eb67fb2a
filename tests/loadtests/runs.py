# SPDX-License-Identifier: Apache-2.0
"""Runs as no server gave them: made request by request through the measurements of the product."""

import numpy as np

from loadtests.measurements import Answered, Measurements
from loadtests.run import Run

KINDS = ("rest json, 1 row", "rest json, 32 rows", "rest binary, 1 row", "rest binary, 32 rows", "grpc, 1 row")


def make_run(
    *,
    seconds: int = 60,
    rate: float = 100,
    failed: float = 0.0,
    dropped: float = 0.0,
    frozen: float = 0.0,
    slow_us: int = 4_000,
    lag_us: int = 200,
    warmup: float = 0.0,
    cpu: float = 0.3,
    workers: int = 1,
    kinds: tuple[str, ...] = KINDS,
    codes: tuple[str, ...] = ("503", "timeout"),
    versions: tuple[str, ...] = ("7",),
    model: str = "spam",
    timetable: bool = True,
    options: dict[str, str] | None = None,
) -> Run:
    """Return a run, the same for the same arguments.

    Args:
        seconds: How long the timetable is.
        rate: Requests/s; each second has as many.
        failed: The share of requests that fail, with any of ``codes``.
        dropped: The share of arrivals that are not sent.
        frozen: For so many of the last seconds of every ten the server answers nothing, and then all at once.
        slow_us: About the service time of a server that is not frozen.
        lag_us: About how late requests leave.
        warmup: Seconds that are not measured.
        cpu: The share of a core.
        workers: Processes.
        kinds: Of requests.
        codes: Of those that fail.
        versions: Of the answers.
        model: Its name.
        timetable: Whether there is one.
        options: What the run was started with.
    """
    random = np.random.default_rng(1)
    measurements = Measurements()
    asked = [int(rate)] * seconds
    to_measure = 0
    for second in range(seconds):
        part = Measurements()
        for due in np.sort(second + random.random(int(rate))):
            lag, service = int(random.exponential(lag_us)), int(random.lognormal(np.log(slow_us), 0.35))
            fails, drops = random.random() < failed, random.random() < dropped
            if due < warmup:
                continue
            to_measure += 1
            if drops:
                part.drop(second)
                continue
            service += int(max(0.0, due % 10 - (10 - frozen)) and (10 - due % 10) * 1e6)
            part.add(
                Answered(
                    second=second,
                    name=str(random.choice(kinds)),
                    code=codes[int(random.integers(len(codes)))] if fails else "200",
                    ok=not fails,
                    version="" if fails else versions[int(random.integers(len(versions)))],
                    lag_us=lag,
                    service_us=service,
                    latency_us=lag + service,
                )
            )
        measurements.merge(part.take())
    return Run(
        measurements=measurements,
        asked=tuple(asked) if timetable else (),
        to_measure=to_measure,
        seconds=float(seconds),
        elapsed=seconds + 0.25,
        warmup=float(warmup),
        arrivals=f"constant, {rate:g} requests/s for {seconds} s",
        seed=1,
        digest="5e" * 32 if timetable else "",
        model=model,
        host="http://spam.localhost:8080",
        started="2026-01-02T03:04:05.678+00:00",
        workers=workers,
        interrupted=False,
        cpu=cpu,
        options={"--rate": f"{rate:g}", "--duration": str(seconds)} if options is None else options,
        environment={"processor": "a processor", "cores": 4.0, "memory (bytes)": 8.0 * 2**30, "portside": None},
    )
