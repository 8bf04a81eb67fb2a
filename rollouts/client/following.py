# SPDX-License-Identifier: Apache-2.0
"""A rollout followed to its end: every decision is told when it is made."""

import re
import time
from collections.abc import Callable, Collection
from typing import Final

from cluster.api import Cluster
from cluster.errors import ClusterError
from rollouts.client.report import Report, report_of
from rollouts.phases import ENDED, Phase
from rollouts.spec import MODEL_ROLLOUT

_POLL_SECONDS: Final = 1.0
#: The controller looks once a second; who has not been seen for this long is not there.
_TAKEN_UP_SECONDS: Final = 15.0
#: How long an API server may be away without the watch being given up.
_AWAY_SECONDS: Final = 60.0
#: How often figures are told between two decisions.
_FIGURES_SECONDS: Final = 10.0
_FIGURES: Final = re.compile(r"[-\d.,]+")


class NotTakenUpError(ClusterError):
    """No controller has taken a rollout up."""


def follow(
    cluster: Cluster,
    namespace: str,
    name: str,
    tell: Callable[[str], None],
    *,
    until: Collection[Phase] = ENDED,
    patience: float | None = None,
) -> Report:
    """Wait until a rollout has ended, and return how.

    Args:
        cluster: Where it is.
        namespace: Its namespace.
        name: Its name.
        tell: Takes a line whenever there is news.
        until: The phases that are its end.
        patience: Seconds until one that no controller has taken up is given up; None waits on.

    Raises:
        NotTakenUpError: No controller has taken it up in time.
        ClusterError: It was deleted, or the cluster cannot be reached any more.
    """
    teller, began = _Teller(tell), time.monotonic()
    while True:
        report = _look(cluster, namespace, name)
        waited = time.monotonic() - began
        teller.tell(report)
        if report.phase in until:
            return report
        if not report.taken_up and waited >= _TAKEN_UP_SECONDS:
            teller.tell_once("no controller has taken it up yet: is it running? `portside doctor` says what is missing")
        if not report.taken_up and patience is not None and waited >= patience:
            raise NotTakenUpError(
                f"no controller has taken rollout {name} up within {patience:g} s: `portside doctor` says what is "
                "missing"
            )
        time.sleep(_POLL_SECONDS)


def _look(cluster: Cluster, namespace: str, name: str) -> Report:
    """Return the rollout's present report; an API server that is away is waited for."""
    since = time.monotonic()
    while True:
        try:
            found = cluster.get(*MODEL_ROLLOUT, name, namespace)
        except ClusterError:
            if time.monotonic() - since >= _AWAY_SECONDS:
                raise
            time.sleep(_POLL_SECONDS)
            continue
        if found is None:
            raise ClusterError(f"rollout {name} was deleted while it was watched; its canary is taken away")
        return report_of(found)


class _Teller:
    """Tells what is new in a rollout's reports: decisions at once, figures that change now and then."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[object] = set()
        self._last = 0.0

    def tell(self, report: Report) -> None:
        for decision in report.decisions:
            key = (decision.time, decision.reason, decision.message)
            if key not in self._told:
                self._told.add(key)
                self._say(f"{decision.time.astimezone():%H:%M:%S} {decision.phase}: {decision.message}")
        if report.under_way and report.verdict not in ["", *(each.message for each in report.decisions)]:
            # What differs in its figures alone is no news every second.
            shape = _FIGURES.sub("", report.verdict)
            if shape not in self._told or time.monotonic() - self._last >= _FIGURES_SECONDS:
                self._told.add(shape)
                self.tell_once(report.verdict)

    def tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        self._tell(line)
