# SPDX-License-Identifier: Apache-2.0
"""What became of a bad version: when it was found out, and when it answered its last request, by its own counters."""

import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tests.e2e.kubernetes import kubectl
from tests.e2e.model_rollout import END_SECONDS, ENDED, ModelRollout
from tests.e2e.pods import NAMESPACE

_REQUESTS: Final = re.compile(r"^portside_requests_total\{[^}]*\} ([\d.e+]+)$", re.MULTILINE)
_LOOK_SECONDS: Final = 0.3


@dataclass
class Watched:
    """A rollout from its beginning to its end.

    Attributes:
        status: What it has come to.
        counts: Of each pod of the canary, when its server was asked (seconds since 1970) and what it had answered.
    """

    status: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def decided(self) -> float:
        """When it was found out, in seconds since 1970."""
        return datetime.fromisoformat(self.status["state"]["moments"]["decided"]).timestamp()

    def answered_after(self, seconds: float) -> float:
        """Return how many requests the canary has answered later than some seconds after the verdict, by its count."""
        late = [[count for at, count in counts if at > self.decided + seconds] for counts in self.counts.values()]
        return sum(max(counts) - counts[0] for counts in late if counts)

    def looks_after(self, seconds: float) -> int:
        """Return how often its counters were seen later than some seconds after the verdict."""
        return sum(at > self.decided + seconds for counts in self.counts.values() for at, _ in counts)


def watch(rollout: ModelRollout, service: str, *, seconds: float = END_SECONDS) -> Watched:
    """Follow a rollout and its canary's counters until it has ended.

    Args:
        rollout: The rollout.
        service: Its InferenceService.
        seconds: How long to wait for the end.
    """
    watched = Watched()
    deadline = time.monotonic() + seconds
    while watched.status.get("phase") not in ENDED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {rollout.name} to end; it is {watched.status}")
        watched.status = rollout.status()
        if watched.status.get("phase") in ("Progressing", "Reverting"):
            for pod in _canary_pods(service):
                count = _answered(pod)
                if count is not None:
                    watched.counts[pod].append((time.time(), count))
        time.sleep(_LOOK_SECONDS)
    return watched


def _canary_pods(service: str) -> list[str]:
    """Return the names of the pods beside the service's own, those that are leaving among them."""
    words = ("--selector", f"serving.kserve.io/inferenceservice={service}", "--output", "name")
    names = kubectl("get", "pods", "--namespace", NAMESPACE, *words).split()
    pods = [name.removeprefix("pod/") for name in names]
    return [pod for pod in pods if not pod.startswith(f"{service}-predictor-")]


def _answered(pod: str) -> float | None:
    """Return how many requests a pod has answered, well or not; None where it does not say."""
    words = ("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics", "--request-timeout", "2s")
    counts = _REQUESTS.findall(kubectl(*words, check=False))
    return sum(map(float, counts)) if counts else None
