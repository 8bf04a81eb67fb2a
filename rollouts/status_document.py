# SPDX-License-Identifier: Apache-2.0
"""The status as a ModelRollout's object has it: what people read, and ``state``, from which the controller goes on."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from cluster.services.artifact_uri import version_of
from rollouts.gates.result import GateResult
from rollouts.kubernetes_time import kubernetes_time
from rollouts.measurements.evidence import Evidence
from rollouts.phases import Phase
from rollouts.shadow.pairs import Pairs
from rollouts.spec import Rollout
from rollouts.status import Canary, Decision, Former, Status

#: Moments that people read, by what the object calls them; all others are in ``state``.
_TOLD: Final = {
    "started": "startedAt",
    "exposed": "exposedAt",
    "decided": "decidedAt",
    "ended": "endedAt",
    "warm_until": "keptUntil",
}
_MOMENTS: Final = (
    *_TOLD,
    "canary_since",
    "measured_since",
    "rests_since",
    "zero_traffic",
    "phase_since",
    "idle_since",
)
_PLAIN: Final = ("mirror", "storage_uri", "unready", "canary_restarts", "stable_restarts", "released")


def status_document(rollout: Rollout, status: Status, generation: int) -> dict[str, Any]:
    """Return the object's status.

    Args:
        rollout: What the object asks for.
        status: What it has come to.
        generation: The object's generation that this is the status of.
    """
    former = status.former
    pairs = status.pairs
    document = {
        "observedGeneration": generation,
        "phase": str(status.phase),
        "step": status.step,
        "traffic": status.traffic,
        "verdict": status.verdict,
        "version": rollout.version,
        "formerVersion": None if former is None else version_of(former.storage_uri),
        "exposureToVerdictSeconds": _between(status.exposed, status.decided),
        "verdictToZeroTrafficSeconds": _between(status.decided, status.zero_traffic),
        "gates": [gate.as_document() for gate in status.gates],
        "shadow": {"compared": pairs.compared, "different": pairs.different, "example": pairs.example},
        "decisions": [each.as_document() for each in status.decisions],
        "state": _state(status),
    }
    moments = {name: getattr(status, field) for field, name in _TOLD.items()}
    return {
        **document,
        **{name: None if moment is None else kubernetes_time(moment) for name, moment in moments.items()},
    }


def read_status(document: Mapping[str, Any] | None) -> Status:
    """Return what an object's status says; of an object without one, that of a rollout that has not begun."""
    if not document or "state" not in document:
        return Status()
    state = document["state"]
    rest: dict[str, Any] = {
        field: datetime.fromisoformat(state["moments"][field])
        for field in _MOMENTS
        if field in state.get("moments", {})
    }
    rest |= {name: state[name] for name in _PLAIN if name in state}
    former, canary, shadow = state.get("former"), state.get("canary"), document.get("shadow") or {}
    return Status(
        phase=Phase(document["phase"]),
        step=document["step"],
        traffic=document["traffic"],
        verdict=document["verdict"],
        canary=None if canary is None else Canary(**canary),
        former=None if former is None else Former(**{"max_replicas": None, **former}),
        resume_to=_phase(state.get("resume_to")),
        outcome=_phase(state.get("outcome")),
        ready_pods={
            name: datetime.fromisoformat(since) if since else None
            for name, since in state.get("ready_pods", {}).items()
        },
        down_pods=frozenset(state.get("down_pods", ())),
        evidence=Evidence.of(state["evidence"]),
        gates=tuple(map(GateResult.of, document.get("gates") or ())),
        pairs=Pairs(shadow.get("compared", 0), shadow.get("different", 0), shadow.get("example", "")),
        decisions=tuple(map(Decision.of, document.get("decisions") or ())),
        **rest,
    )


def _state(status: Status) -> dict[str, Any]:
    defaults = Status()
    moments = {field: getattr(status, field) for field in _MOMENTS}
    plain = {name: getattr(status, name) for name in _PLAIN}
    parts = {"former": status.former, "canary": status.canary}
    return {
        "moments": {field: moment.isoformat() for field, moment in moments.items() if moment is not None},
        "evidence": status.evidence.as_document(),
        "ready_pods": {name: since.isoformat() if since else "" for name, since in status.ready_pods.items()},
        "down_pods": sorted(status.down_pods),
        "resume_to": None if status.resume_to is None else str(status.resume_to),
        "outcome": None if status.outcome is None else str(status.outcome),
        **{name: value for name, value in plain.items() if value != getattr(defaults, name)},
        **{name: _fields(part) for name, part in parts.items() if part is not None},
    }


def _fields(part: Canary | Former) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part) if getattr(part, field.name) is not None}


def _phase(text: str | None) -> Phase | None:
    return None if text is None else Phase(text)


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else round(max(0.0, (end - begin).total_seconds()), 3)
