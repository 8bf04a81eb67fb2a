# SPDX-License-Identifier: Apache-2.0
"""What both versions have counted over the same window of time, pod by pod and look by look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rollouts.measurements.snapshot import Snapshot
from rollouts.measurements.sums import Sums
from rollouts.observation import Pod


@dataclass(frozen=True, slots=True)
class Evidence:
    """The window so far.

    Attributes:
        since: When it began; None before.
        canary: What the canary has counted in it.
        stable: What the stable version has.
        baselines: What each pod's server had counted when it was last heard, by ``Pod.key``.
        unheard: The keys of those that did not answer at the last look, and whose baselines are older.
    """

    since: datetime | None = None
    canary: Sums = field(default_factory=Sums)
    stable: Sums = field(default_factory=Sums)
    baselines: Mapping[str, Snapshot] = field(default_factory=dict)
    unheard: frozenset[str] = frozenset()

    def restarted(self, now: datetime) -> "Evidence":
        """Return an empty window that begins now, from the baselines of the last look.

        Older ones are left behind: what came after them would count into this window, though it was before.
        """
        heard = {key: each for key, each in self.baselines.items() if key not in self.unheard}
        return Evidence(since=now, baselines=heard)

    def with_look(self, stable: Iterable[Pod], canary: Iterable[Pod], snapshots: Mapping[str, Snapshot]) -> "Evidence":
        """Return the window with what has been counted since the last look.

        A server that is seen for the first time is counted from 0 where it started within the window, else from now.
        Counts that have fallen began anew at 0. Servers that have vanished leave what was counted of them. Before the
        window begins, nothing is counted.

        Args:
            stable: All pods of the stable version that are there.
            canary: All those of the canary.
            snapshots: What their servers have counted, by ``Pod.key``; one that did not answer is missing, and what it
                counted meanwhile comes with its next answer.
        """
        stable, canary = tuple(stable), tuple(canary)
        found = {pod.key: snapshots.get(pod.key, self._last_heard(pod.key)) for pod in (*stable, *canary)}
        baselines = {key: each for key, each in found.items() if each is not None}
        seen = replace(self, baselines=baselines, unheard=frozenset(baselines) - frozenset(snapshots))
        if self.since is None:
            return seen
        return replace(
            seen,
            stable=self.stable.with_block(self._growth(stable, snapshots)),
            canary=self.canary.with_block(self._growth(canary, snapshots)),
        )

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        document = {
            "since": None if self.since is None else self.since.isoformat(),
            "canary": self.canary.as_document(),
            "stable": self.stable.as_document(),
            "baselines": {key: each.as_document() for key, each in self.baselines.items()},
            "unheard": sorted(self.unheard),
        }
        return {name: value for name, value in document.items() if value}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Evidence":
        """Return what ``as_document`` has made."""
        since = document.get("since")
        return cls(
            since=None if since is None else datetime.fromisoformat(since),
            canary=Sums.of(document.get("canary", {})),
            stable=Sums.of(document.get("stable", {})),
            baselines={key: Snapshot.of(each) for key, each in document.get("baselines", {}).items()},
            unheard=frozenset(document.get("unheard", ())),
        )

    def _growth(self, pods: Iterable[Pod], snapshots: Mapping[str, Snapshot]) -> Snapshot:
        """Return what the pods of one version have counted since the last look, all together."""
        grown = Snapshot()
        for pod in pods:
            seen = snapshots.get(pod.key)
            before = self._baseline(pod)
            if seen is not None and before is not None:
                grown += seen.since(before)
        return grown

    def _baseline(self, pod: Pod) -> Snapshot | None:
        """Return what a server is counted from; None: from this look on."""
        heard = self._last_heard(pod.key)
        if heard is not None:
            return heard
        began_in_window = self.since is not None and pod.started is not None and pod.started >= self.since
        return Snapshot() if began_in_window else None

    def _last_heard(self, key: str) -> Snapshot | None:
        """Return what a pod's server had counted when it was last heard, or the one before it in the same pod.

        A restart is told a moment after it, so that the new server may have been heard under the former one's key.
        """
        if key in self.baselines:
            return self.baselines[key]
        uid = _uid(key)
        return next((each for other, each in self.baselines.items() if _uid(other) == uid), None)


def _uid(key: str) -> str:
    return key.rpartition("/")[0]
