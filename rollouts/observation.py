# SPDX-License-Identifier: Apache-2.0
"""What one look at the cluster shows of a rollout's service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollouts.measurements.snapshot import Snapshot
from rollouts.shadow.pairs import Pairs


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a version.

    Attributes:
        name: Its name.
        key: Names one run of its server: the pod's uid with the number of restarts, ``UID/RESTARTS``.
        ready: Whether it takes requests.
        leaving: Whether it is being deleted.
        restarts: How often its server has ended.
        crash: Why its server last ended, in one sentence, unless it ended well; None where it never failed.
        started: When the present server began to run; None while none does.
        ready_since: Since when it takes requests; None where it does not, or nothing tells.
    """

    name: str
    key: str
    ready: bool = False
    leaving: bool = False
    restarts: int = 0
    crash: str | None = None
    started: datetime | None = None
    ready_since: datetime | None = None

    @property
    def runs(self) -> bool:
        """Whether its server can be asked."""
        return self.ready or self.started is not None


@dataclass(frozen=True, slots=True)
class Arm:
    """All pods of one version: those of the service itself, or those of its canary.

    Attributes:
        pods: Its pods, those that are leaving among them.
        complete: Whether as many pods of the wanted template are ready as there shall be, and no others are left.
        problem: Why it is not, in one sentence; None when it is.
        final: Whether waiting will not help with that.
    """

    pods: tuple[Pod, ...] = ()
    complete: bool = False
    problem: str | None = None
    final: bool = False

    @property
    def ready(self) -> int:
        """How many of its pods take requests and go on doing so."""
        return sum(pod.ready and not pod.leaving for pod in self.pods)

    @property
    def restarts(self) -> int:
        """How often the servers of its present pods have ended."""
        return sum(pod.restarts for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Service:
    """The InferenceService's own choices.

    Attributes:
        storage_uri: What it serves.
        min_replicas: How many pods it has at least.
        max_replicas: How many at most; None where it does not say.
        foreign_canary: The name of a canary that is not this rollout's; None where there is none.
        logs_predictions: Whether its predictors log predictions to standard output, as shadowing needs.
        unfit: Why it cannot be rolled out, in one sentence with what to do; None where it can.
    """

    storage_uri: str
    min_replicas: int = 1
    max_replicas: int | None = None
    foreign_canary: str | None = None
    logs_predictions: bool = False
    unfit: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look shows.

    Attributes:
        service: The InferenceService; None where there is none.
        stable: The pods of the service itself.
        canary: The pods of this rollout's canary; of the kept former version once it is promoted.
        canary_exists: Whether the canary's entry, Deployment or pods are still there.
        traffic: The share that the routes give the canary now, in per cent, as far as the Gateway has taken them up;
            None where it has not, or where there are no routes.
        routes_problem: Why the routes cannot be used, in one sentence; None where they can.
        snapshots: What each pod's server has counted so far, by ``Pod.key``; those that could not be asked are missing.
        pairs: Answers of both versions to the same requests, those found since the last look.
        ahead: The rollout of the same service that is to end before this one; None: it is this one's turn.
        replaced_by: A later rollout of the service that is to replace this one; None where there is none.
    """

    service: Service | None
    stable: Arm = Arm()
    canary: Arm = Arm()
    canary_exists: bool = False
    traffic: int | None = None
    routes_problem: str | None = None
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=Pairs)
    ahead: str | None = None
    replaced_by: str | None = None
