# SPDX-License-Identifier: Apache-2.0
"""All that a rollout has come to, as its object's status keeps it: whoever reads it can go on from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from rollouts.gates.result import GateResult
from rollouts.measurements.evidence import Evidence
from rollouts.phases import ENDED, Phase
from rollouts.shadow.pairs import Pairs

_MOST_DECISIONS: Final = 30


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, with the numbers behind it.

    Attributes:
        time: When it was made.
        phase: What it led to.
        reason: One word in CamelCase, as Events have it.
        message: One sentence.
    """

    time: datetime
    phase: Phase
    reason: str
    message: str

    def as_document(self) -> dict[str, str]:
        """Return it as the object's status has it."""
        told = {"phase": str(self.phase), "reason": self.reason, "message": self.message}
        return {"time": self.time.isoformat(), **told}

    @classmethod
    def of(cls, document: Mapping[str, str]) -> "Decision":
        """Return what ``as_document`` has made."""
        time, phase = datetime.fromisoformat(document["time"]), Phase(document["phase"])
        return cls(time, phase, document["reason"], document["message"])


@dataclass(frozen=True, slots=True)
class Former:
    """What the service was when the rollout began, and is again where it is reverted.

    Attributes:
        storage_uri: What it served.
        min_replicas: How many pods it had at least.
        max_replicas: How many at most; None where it did not say.
    """

    storage_uri: str
    min_replicas: int
    max_replicas: int | None


@dataclass(frozen=True, slots=True)
class Canary:
    """The second set of pods that the service shall have.

    Attributes:
        name: Its predictor's name.
        storage_uri: What it serves.
        replicas: How many pods.
    """

    name: str
    storage_uri: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a rollout has come to, and what it wants of the cluster: traffic, canary, mirror, storage_uri.

    Attributes:
        phase: Where it stands.
        step: The number of the present step, from 1; 0 before the first.
        traffic: The share that the routes shall give the canary, in per cent.
        canary: The canary that shall be; None: there shall be none.
        mirror: Whether the routes shall send the canary copies of all requests.
        storage_uri: What the service itself shall serve; None as long as that is not this rollout's to say.
        former: What was there at the beginning; None before.
        resume_to: The phase that a pause goes on to.
        outcome: The phase that reverting ends in.
        verdict: The newest decision in a few words.
        started: When it began to change something.
        canary_since: When the canary was asked for, in its present number of pods.
        measured_since: When it was first measured; rests are added, so that the deadline stands still in them.
        rests_since: When the present rest began, a pause or a step that holds; None: it goes on.
        exposed: When the canary first had traffic.
        decided: When it was decided that it ends, and how.
        zero_traffic: When the canary was sent its last request after that.
        phase_since: When the present phase began.
        idle_since: Since when the canary has answered nothing; None while it answers.
        ended: When all was done.
        warm_until: Until when the former version is kept running.
        unready: How often a pod of the canary was not ready any more, without being deleted.
        ready_pods: The pods of both versions that were ready at the last look, by name, and since when.
        down_pods: The names of those that were ready once and are not now, though nobody deletes them.
        canary_restarts: How many ends of its present pods' servers are not held against it: those before it was first
            measured, and those that the stable version shared.
        stable_restarts: How many of the stable version's have excused them, or were before that.
        released: Whether the cluster has nothing of it any more.
        evidence: What was counted in the present step.
        gates: What the gates last said.
        pairs: What shadowing has compared.
        decisions: The newest last.
    """

    phase: Phase = Phase.PENDING
    step: int = 0
    traffic: int = 0
    canary: Canary | None = None
    mirror: bool = False
    storage_uri: str | None = None
    former: Former | None = None
    resume_to: Phase | None = None
    outcome: Phase | None = None
    verdict: str = ""
    started: datetime | None = None
    canary_since: datetime | None = None
    measured_since: datetime | None = None
    rests_since: datetime | None = None
    exposed: datetime | None = None
    decided: datetime | None = None
    zero_traffic: datetime | None = None
    phase_since: datetime | None = None
    idle_since: datetime | None = None
    ended: datetime | None = None
    warm_until: datetime | None = None
    unready: int = 0
    ready_pods: Mapping[str, datetime | None] = field(default_factory=dict)
    down_pods: frozenset[str] = frozenset()
    canary_restarts: int = 0
    stable_restarts: int = 0
    released: bool = False
    evidence: Evidence = field(default_factory=Evidence)
    gates: tuple[GateResult, ...] = ()
    pairs: Pairs = field(default_factory=Pairs)
    decisions: tuple[Decision, ...] = ()

    @property
    def done(self) -> bool:
        """Whether nothing is left to do, ever."""
        return self.phase in ENDED and (self.former is None or self.released)

    def decide(self, now: datetime, phase: Phase, reason: str, message: str, **changes: Any) -> "Status":
        """Return the status after a decision.

        Args:
            now: When it is made.
            phase: What it leads to; the present phase where that stays.
            reason: One word in CamelCase, as Events have it.
            message: One sentence with the numbers behind it.
            changes: What else changes.
        """
        decision = Decision(now, phase, reason, message)
        since = {"phase_since": now} if phase is not self.phase else {}
        decisions = (*self.decisions, decision)[-_MOST_DECISIONS:]
        return replace(self, phase=phase, verdict=message, decisions=decisions, **{**since, **changes})
