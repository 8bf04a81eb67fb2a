# SPDX-License-Identifier: Apache-2.0
"""What the controller counts about itself, as Prometheus reads it at ``/metrics``."""

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollouts.controller.schedule import Key
from rollouts.phases import Phase
from rollouts.status import Decision, Status

_TICK_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_VERDICT_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_ZERO_TRAFFIC_SECONDS: Final = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30)


class Metrics:
    """The controller's metrics.

    Args:
        leads: Tells whether this controller is the one that works.

    Attributes:
        registry: Where ``/metrics`` finds them all.
        tick_seconds: How long looks have taken.
    """

    def __init__(self, leads: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self._phases = _Phases(leads)
        self.registry.register(self._phases)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.tick_seconds = Histogram(
            "portside_rollouts_tick_seconds",
            "How long one look at one rollout took, with what was done after it.",
            buckets=_TICK_SECONDS,
            registry=self.registry,
        )
        self._failures = Counter(
            "portside_rollouts_tick_failures_total",
            "Looks that ended early, by why: the cluster refused or could not be asked, somebody else wrote first, "
            "or a fault.",
            ["reason"],
            registry=self.registry,
        )
        self._decisions = Counter(
            "portside_rollouts_decisions_total",
            "Decisions, by the phase that they led to and the reason.",
            ["phase", "reason"],
            registry=self.registry,
        )
        self._verdict = Histogram(
            "portside_rollouts_exposure_to_verdict_seconds",
            "From a canary's first traffic to the decision how its rollout ends.",
            ["outcome"],
            buckets=_VERDICT_SECONDS,
            registry=self.registry,
        )
        self._zero_traffic = Histogram(
            "portside_rollouts_verdict_to_zero_traffic_seconds",
            "From the decision to revert to the canary's last request.",
            buckets=_ZERO_TRAFFIC_SECONDS,
            registry=self.registry,
        )

    def saw(self, key: Key, phase: str | None) -> None:
        """Take down the phase that a rollout is in; None: it is gone."""
        self._phases.saw(key, phase)

    def failed(self, reason: str) -> None:
        """Count a look that ended early."""
        self._failures.labels(reason).inc()

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Count new decisions."""
        for decision in decisions:
            self._decisions.labels(str(decision.phase), decision.reason).inc()

    def moved(self, before: Status, after: Status) -> None:
        """Take down the times that a look has come to know."""
        if after.decided is not None and after.decided != before.decided and after.exposed is not None:
            outcome = str(after.outcome or Phase.PROMOTED)
            self._verdict.labels(outcome).observe((after.decided - after.exposed).total_seconds())
        back = before.phase is Phase.REVERTING and after.phase is not Phase.REVERTING
        if back and after.zero_traffic is not None and after.decided is not None:
            self._zero_traffic.observe(max(0.0, (after.zero_traffic - after.decided).total_seconds()))


class _Phases(Collector):
    """Tells how many rollouts are in each phase, and whether this controller leads, when it is asked."""

    def __init__(self, leads: Callable[[], bool]) -> None:
        self._leads = leads
        self._lock = threading.Lock()
        self._known: dict[Key, str] = {}

    def saw(self, key: Key, phase: str | None) -> None:
        with self._lock:
            if phase is None:
                self._known.pop(key, None)
            else:
                self._known[key] = phase

    def collect(self) -> Iterator[Metric]:
        leads = GaugeMetricFamily("portside_rollouts_is_leader", "1 where this controller works, 0 where it waits.")
        leads.add_metric([], float(self._leads()))
        yield leads
        with self._lock:
            tally = Tally(self._known.values())
        rollouts = GaugeMetricFamily(
            "portside_rollouts", "ModelRollouts by phase, as far as this controller sees to them.", labels=["phase"]
        )
        for phase in Phase:
            rollouts.add_metric([str(phase)], tally.get(str(phase), 0))
        yield rollouts
