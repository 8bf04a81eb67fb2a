# SPDX-License-Identifier: Apache-2.0
"""What a ModelRollout tells its users: how far it is, what the gates say, and what was decided when and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cluster.services.artifact_uri import version_of
from rollouts.gates.result import GateResult
from rollouts.phases import ENDED, Phase
from rollouts.shadow.pairs import Pairs
from rollouts.spec import DEFAULT_STEPS, GROUP
from rollouts.status import Decision

#: On rollouts that were made to go back, so that going back again does not lead to what was left.
ROLLBACK_LABEL: Final = f"{GROUP}/rollback"


@dataclass(frozen=True, slots=True)
class Report:
    """How a rollout fares.

    Attributes:
        rollout: The ModelRollout's name.
        namespace: Its namespace, and the service's.
        service: The InferenceService.
        storage_uri: The new version's artifact.
        version: The new version.
        former_version: The one that served when it began; empty before.
        former_uri: Where that one's artifact is; empty before.
        phase: Where it stands; Pending where no controller has taken it up.
        taken_up: Whether a controller has.
        step: The number of the present step, from 1; 0 before the first.
        steps: How many there are.
        holds: Whether the present step waits for a user to go on.
        traffic: The share of the requests that the new version answers, in per cent.
        verdict: The newest decision, in one sentence.
        paused: Whether a user has it wait.
        rollback: Whether it was made to go back to an earlier version.
        kept_until: Until when the former version is kept running; None where it is not.
        created: When it was made.
        started: When it began to change something.
        exposed: When the new version first answered requests.
        decided: When it was decided how it ends.
        ended: When all was done.
        exposure_to_verdict_seconds: From ``exposed`` to ``decided``.
        verdict_to_zero_traffic_seconds: From ``decided`` until a bad version answered nothing any more.
        gates: What the gates last said.
        shadow: What shadowing has compared.
        decisions: The newest last.
    """

    rollout: str
    namespace: str
    service: str
    storage_uri: str
    version: str
    former_version: str
    former_uri: str
    phase: Phase
    taken_up: bool
    step: int
    steps: int
    holds: bool
    traffic: int
    verdict: str
    paused: bool
    rollback: bool
    kept_until: datetime | None
    created: datetime
    started: datetime | None
    exposed: datetime | None
    decided: datetime | None
    ended: datetime | None
    exposure_to_verdict_seconds: float | None
    verdict_to_zero_traffic_seconds: float | None
    gates: tuple[GateResult, ...]
    shadow: Pairs
    decisions: tuple[Decision, ...]

    @property
    def under_way(self) -> bool:
        """Whether it has still something to do."""
        return self.phase not in ENDED

    @property
    def keeps_former(self) -> bool:
        """Whether it has been promoted, and keeps the former version running."""
        return self.phase is Phase.PROMOTED and self.kept_until is not None and datetime.now(UTC) < self.kept_until

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON has it, times in ISO 8601."""
        told: dict[str, Any] = _plain(asdict(self))
        return told


def report_of(document: Mapping[str, Any]) -> Report:
    """Return what a ModelRollout tells.

    Args:
        document: The object.
    """
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    steps = spec.get("steps", [{"traffic": share} for share in DEFAULT_STEPS])
    step = status.get("step") or 0
    uri = spec["storageUri"]
    state = status.get("state") or {}
    return Report(
        rollout=metadata["name"],
        namespace=metadata["namespace"],
        service=spec["inferenceService"],
        storage_uri=uri,
        version=status.get("version") or version_of(uri),
        former_version=status.get("formerVersion") or "",
        former_uri=(state.get("former") or {}).get("storage_uri", ""),
        phase=Phase(status.get("phase") or Phase.PENDING),
        taken_up=bool(status.get("phase")),
        step=step,
        steps=len(steps),
        holds=1 <= step <= len(steps) and bool(steps[step - 1].get("hold")),
        traffic=status.get("traffic") or 0,
        verdict=status.get("verdict") or "",
        paused=bool(spec.get("paused")),
        rollback=(metadata.get("labels") or {}).get(ROLLBACK_LABEL) == "true",
        # It may have been given up before, to make room for another rollout.
        kept_until=_time(status, "keptUntil") if state.get("canary") else None,
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        started=_time(status, "startedAt"),
        exposed=_time(status, "exposedAt"),
        decided=_time(status, "decidedAt"),
        ended=_time(status, "endedAt"),
        exposure_to_verdict_seconds=status.get("exposureToVerdictSeconds"),
        verdict_to_zero_traffic_seconds=status.get("verdictToZeroTrafficSeconds"),
        gates=tuple(map(GateResult.of, status.get("gates") or ())),
        shadow=Pairs(**(status.get("shadow") or {})),
        decisions=tuple(map(Decision.of, status.get("decisions") or ())),
    )


def _time(document: Mapping[str, Any], key: str) -> datetime | None:
    text = document.get(key)
    return datetime.fromisoformat(text) if text else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
