# SPDX-License-Identifier: Apache-2.0
"""A rollout's spec from the words of a command line, with what is usual where they are silent."""

from collections.abc import Mapping
from typing import Any

from rollouts.client.manifest import USUAL_GATES
from rollouts.commands.spec_options import NONE
from rollouts.spec import DEFAULT_STEPS


def spec_of(base: Mapping[str, Any] | None, words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec's fields besides service and artifact.

    Args:
        base: Those of a file; None: there is none, and steps and gates have their defaults.
        words: The options' values by their names; None where one was not given.
    """
    spec: dict[str, Any] = dict(base) if base is not None else {"steps": [{"traffic": each} for each in DEFAULT_STEPS]}
    fields = {
        "shadow": None if words["shadow"] is None else {"requests": words["shadow"]},
        "steps": words["steps"],
        "minRequests": words["min_requests"],
        "deadline": words["deadline"],
        "readyDeadline": words["ready_deadline"],
        "keepPrevious": words["keep_previous"],
        "whenBusy": "Replace" if words["replace"] else None,
        "force": words["force"] or None,
    }
    spec |= {name: value for name, value in fields.items() if value is not None}
    gates = _gates(spec.pop("gates", None) or {}, words, defaults=base is None)
    return {**spec, "gates": gates} if gates else spec


def _gates(base: Mapping[str, Any], words: Mapping[str, Any], *, defaults: bool) -> dict[str, Any]:
    def limit(option: str, present: Any, default: float | None = None) -> Any:
        chosen = words[option]
        if chosen is None:
            return default if defaults else present
        return None if chosen == NONE else chosen

    latency = base.get("latency") or {}
    latencies = {
        "maxRatio": limit("max_latency_ratio", latency.get("maxRatio"), USUAL_GATES["latency"]["maxRatio"]),
        "maxMilliseconds": limit("max_latency", latency.get("maxMilliseconds")),
    }
    limits = {name: value for name, value in latencies.items() if value is not None}
    percentile = words["percentile"] or latency.get("percentile") or USUAL_GATES["latency"]["percentile"]
    errors = limit(
        "max_error_increase", (base.get("errors") or {}).get("maxIncrease"), USUAL_GATES["errors"]["maxIncrease"]
    )
    shift = limit("max_shift", (base.get("predictions") or {}).get("maxShift"), USUAL_GATES["predictions"]["maxShift"])
    rate = limit("max_disagreements", (base.get("disagreements") or {}).get("maxRate"))
    gates = {
        "errors": None if errors is None else {"maxIncrease": errors},
        "latency": {"percentile": percentile, **limits} if limits else None,
        "predictions": None if shift is None else {"maxShift": shift},
        "disagreements": None if rate is None else {"maxRate": rate},
    }
    return {name: gate for name, gate in gates.items() if gate is not None}
