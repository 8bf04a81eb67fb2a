# SPDX-License-Identifier: Apache-2.0
"""A service, its Gateway and its clients outside of any cluster: it does what a rollout wants, in its own time.

Kubernetes, KServe and Envoy are what is stood in for here; what decides is the product's own code. Time is a number
that the world is told.
"""

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from rollouts.decision import decide
from rollouts.desired import Desired, desired
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Arm, Pod, Seen, Service
from rollouts.shadow.pairs import Pairs
from rollouts.spec import Rollout
from rollouts.status import Status
from rollouts.status_document import read_status, status_document

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

_BOUNDS = [f"{step * 10.0**power:.6g}" for power in range(-4, 1) for step in (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)]
_EDGES = [float(bound) for bound in _BOUNDS]
_uids = count(1)


@dataclass
class Version:
    """How one version behaves.

    Attributes:
        errors: The share of requests that fail.
        seconds: Its median time to an answer; times are lognormal.
        spread: The standard deviation of their logarithm.
        spam: The share of requests that it labels so.
        ready_seconds: How long a pod takes to be ready.
        crashes_after: How many requests a pod answers until its server ends; None: it does not.
        problem: Why its pods never become ready; None: they do.
    """

    errors: float = 0.001
    seconds: float = 0.002
    spread: float = 0.5
    spam: float = 0.13
    ready_seconds: float = 8.0
    crashes_after: int | None = None
    problem: str | None = None


@dataclass
class _Server:
    name: str
    version: Version
    born: float
    restarts: int = 0
    started: float = 0.0
    unready_until: float = 0.0
    requests: int = 0
    failed: int = 0
    seconds: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def answer(self, chance: random.Random) -> bool:
        self.requests += 1
        if chance.random() < self.version.errors:
            self.failed += 1
            return False
        took = self.version.seconds * math.exp(chance.gauss(0.0, self.version.spread))
        place = bisect_left(_EDGES, took)
        self.seconds["+Inf" if place == len(_BOUNDS) else _BOUNDS[place]] += 1
        self.labels["spam" if chance.random() < self.version.spam else "ham"] += 1
        return True

    def restart(self, now: float) -> None:
        self.restarts += 1
        self.started = now
        self.unready_until = now + self.version.ready_seconds
        self.requests = self.failed = 0
        self.seconds, self.labels = Counter(), Counter()

    def snapshot(self) -> Snapshot:
        labels = {"label": dict(self.labels)} if self.labels else {}
        return Snapshot(self.requests, self.failed, self.requests - self.failed, dict(self.seconds), labels)

    def is_ready(self, now: float) -> bool:
        return self.version.problem is None and now >= max(self.born + self.version.ready_seconds, self.unready_until)


class World:
    """One service under way, and the rollout that is done with it.

    Args:
        rollout: What the rollout asks for.
        new: How the new version behaves.
        stable: How the former version does.
        rate: Requests a second.
        seed: Decides all that is left to chance.
        begin: When it begins, in seconds.

    Attributes:
        served: What the service itself serves.
        lost: Requests that found no server.
        answered: Requests by how they were answered.
        in_share: Requests by the version that answered them, since the share last moved.
        traffic_seen: The shares that the rollout has asked for, and when.
        gone: Whether the service was deleted.
        deaf: Whether no server tells its counts.
        replaced_by: A rollout that is to replace this one.
    """

    def __init__(
        self,
        rollout: Rollout,
        new: Version,
        stable: Version | None = None,
        *,
        rate: float = 100.0,
        seed: int = 0,
        begin: float = 0.0,
    ) -> None:
        self.rollout = rollout
        self.status = Status()
        self.rate = rate
        self.now = begin
        self.former_uri = self.served = "s3://models/spam/1.0.0/"
        self.lost = 0
        self.answered: Counter[str] = Counter()
        self.traffic_seen: list[tuple[float, int]] = []
        self.in_share: Counter[str] = Counter()
        self.gone = self.deaf = False
        self.replaced_by: str | None = None
        self._versions = {self.former_uri: stable or Version(), rollout.storage_uri: new}
        self._chance = random.Random(seed)
        self._mirrored = Pairs()
        self._stable = [self._server(self.former_uri, begin - 1000.0)]
        self._canary: list[_Server] = []
        self._wanted = Desired()
        self._weights: list[tuple[float, int]] = [(begin - 1000.0, 0)]

    def tick(self, seconds: float = 1.0) -> Status:
        """Let time pass, look, decide, and do what is decided, as the controller does."""
        self._pass(seconds)
        now = self.moment
        # What a status keeps is all that the next look starts from.
        before = read_status(status_document(self.rollout, self.status, 1))
        self.status = decide(self.rollout, before, self.look(), now)
        self._do(desired(self.status))
        return self.status

    def run(self, seconds: float, until: Callable[[Status], bool] = lambda status: status.done) -> Status:
        """Let ticks pass until something holds, or the time is over."""
        end = self.now + seconds
        while self.now < end and not until(self.status):
            self.tick()
        return self.status

    @property
    def moment(self) -> datetime:
        """The time as a date."""
        return BEGIN + timedelta(seconds=self.now)

    @property
    def weight(self) -> int:
        """The share that the Gateway gives the canary now."""
        return [weight for since, weight in self._weights if since <= self.now][-1]

    def look(self) -> Seen:
        """Return what a look at the cluster would show."""
        if self.gone:
            return Seen(service=None, replaced_by=self.replaced_by)
        everybody = [*self._stable, *self._canary]
        taken_up = self._weights[-1][0] <= self.now
        pairs = Pairs()
        if self._wanted.mirror:
            pairs = self._mirrored
            self._mirrored = Pairs()
        return Seen(
            service=Service(self.served, min_replicas=1, max_replicas=1, logs_predictions=True),
            stable=self._arm(self._stable),
            canary=self._arm(self._canary),
            canary_exists=bool(self._canary),
            traffic=self.weight if taken_up else None,
            snapshots={
                self._key(server): server.snapshot()
                for server in everybody
                if server.is_ready(self.now) and not self.deaf
            },
            pairs=pairs,
            replaced_by=self.replaced_by,
        )

    def take_canary_away(self) -> None:
        """Delete the canary's pods, as a drained node does; others come."""
        if self.gone:
            return
        self._canary = [
            self._server(self.status.canary.storage_uri, self.now) for _ in self._canary if self.status.canary
        ]

    def make_unready(self, seconds: float) -> None:
        """Let the canary's probes fail for a while."""
        for server in self._canary:
            server.unready_until = self.now + seconds

    def ask_canary(self) -> None:
        """Send the canary a request past the Gateway."""
        for server in self._canary:
            server.answer(self._chance)

    def make_stable_unready(self, seconds: float) -> None:
        """Let the stable version's probes fail for a while."""
        for server in self._stable:
            server.unready_until = self.now + seconds

    def crash_stable(self) -> None:
        """Let the stable version's servers end, and begin anew."""
        for server in self._stable:
            server.restart(self.now)

    def delete_service(self) -> None:
        """Delete the InferenceService, with all that was made of it."""
        self.gone, self._stable, self._canary = True, [], []

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        due = self._chance.normalvariate(self.rate * seconds, math.sqrt(self.rate * seconds))
        for _ in range(max(0, round(due))):
            self._request()

    def _request(self) -> None:
        to_canary = self._chance.random() * 100 < self.weight
        ready = [server for server in (self._canary if to_canary else self._stable) if server.is_ready(self.now)]
        if not ready:
            self.lost += 1
            return
        server = self._chance.choice(ready)
        self.in_share["canary" if to_canary else "stable"] += 1
        self.answered["right" if server.answer(self._chance) else "failed"] += 1
        if server.version.crashes_after is not None and server.requests >= server.version.crashes_after:
            server.restart(self.now)
        if self._wanted.mirror and self._canary and self._canary[0].is_ready(self.now):
            self._canary[0].answer(self._chance)
            differs = abs(self._canary[0].version.spam - self._stable[0].version.spam) > self._chance.random()
            self._mirrored += Pairs(1, int(differs))

    def _do(self, wanted: Desired) -> None:
        if self.gone:
            return
        if wanted.traffic != self._weights[-1][1]:
            self._weights.append((self.now + 0.3, wanted.traffic))
            self.traffic_seen.append((self.now, wanted.traffic))
            self.in_share.clear()
        if wanted.storage_uri is not None and wanted.storage_uri != self.served:
            self.served = wanted.storage_uri
            # In place: the new pod is there beside the old one until it is ready.
            self._stable.append(self._server(wanted.storage_uri, self.now))
        if len(self._stable) > 1 and self._stable[-1].is_ready(self.now):
            self._stable = self._stable[-1:]
        canary = wanted.canary
        if canary is None:
            self._canary = []
        elif [server.name.rpartition("-")[0] for server in self._canary] != [canary.name] * canary.replicas:
            made = [self._server(canary.storage_uri, self.now, canary.name) for _ in range(canary.replicas)]
            self._canary = made
        self._wanted = wanted

    def _server(self, uri: str, born: float, name: str = "stable") -> _Server:
        return _Server(f"{name}-{next(_uids)}", self._versions[uri], born, started=born)

    def _arm(self, servers: list[_Server]) -> Arm:
        problem = next((each.version.problem for each in servers if each.version.problem), None)
        waits = None if all(each.is_ready(self.now) for each in servers) else "a pod loads its model"
        return Arm(
            pods=tuple(self._pod(each) for each in servers),
            complete=len(servers) == 1 and problem is None and waits is None,
            problem=problem or waits,
            final=problem is not None,
        )

    def _pod(self, server: _Server) -> Pod:
        return Pod(
            name=server.name,
            key=self._key(server),
            ready=server.is_ready(self.now),
            restarts=server.restarts,
            crash="its server ended with exit code 1" if server.restarts else None,
            started=BEGIN + timedelta(seconds=server.started),
        )

    def _key(self, server: _Server) -> str:
        return f"{server.name}/{server.restarts}"


def rollout(**changes: object) -> Rollout:
    """Return the rollout of spam 1.1.0 with the issue's gates, and other choices in their place."""
    from rollouts.spec import Gates, LatencyGate

    base = Rollout(
        name="spam-1-1-0",
        namespace="models",
        uid="1",
        created=BEGIN,
        service="spam",
        storage_uri="s3://models/spam/1.1.0/",
        gates=Gates(max_error_increase=0.005, latency=LatencyGate(99, 1.2, 50), max_shift=0.1),
    )
    return replace(base, **changes)  # type: ignore[arg-type]
