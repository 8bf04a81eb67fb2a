# SPDX-License-Identifier: Apache-2.0
"""What a model's counters tell, as Triton's statistics extension has it."""

import time
from collections.abc import Iterable
from typing import Final

from predictors.serving.endpoint import Endpoint

_OK: Final = 200


def model_stats(endpoints: Iterable[Endpoint]) -> dict[str, object]:
    """Return ``{"model_stats": [...]}``: counts since the start, summed over the workers; times in nanoseconds."""
    return {"model_stats": [_stats_of(endpoint) for endpoint in endpoints]}


def _stats_of(endpoint: Endpoint) -> dict[str, object]:
    meter = endpoint.meter
    totals = meter.counters.totals().tolist()
    places = [(code, place) for codes in meter.requests.values() for code, place in codes.items()]
    answered = sum(totals[place] for code, place in places if code == _OK)
    refused = sum(totals[place] for code, place in places if code != _OK)
    elapsed = sum(totals[durations.sum] for durations in meter.durations.values())
    return {
        "name": endpoint.model.name,
        "version": endpoint.model.version,
        "last_inference": _milliseconds(meter.counters.latest(meter.last)),
        "inference_count": totals[meter.rows],
        "execution_count": sum(totals[meter.batch.start : meter.batch.sum]),
        "inference_stats": {
            "success": {"count": answered, "ns": elapsed - totals[meter.fail]},
            "fail": {"count": refused, "ns": totals[meter.fail]},
            "queue": {"count": sum(totals[meter.queue.start : meter.queue.sum]), "ns": totals[meter.queue.sum]},
            "compute_input": {"count": answered, "ns": totals[meter.read]},
            "compute_infer": {"count": answered, "ns": totals[meter.score]},
            "compute_output": {"count": answered, "ns": totals[meter.write]},
        },
        "batch_stats": [],
    }


def _milliseconds(monotonic: int) -> int:
    """Return a time of ``time.perf_counter_ns``, which all workers share, in milliseconds since 1970; 0 for never."""
    return (time.time_ns() - time.perf_counter_ns() + monotonic) // 1_000_000 if monotonic else 0
