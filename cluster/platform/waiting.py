# SPDX-License-Identifier: Apache-2.0
"""Waiting with a deadline: a time-out names the object, its last condition and its last events."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.platform.documents import title
from cluster.readiness import unready

T = TypeVar("T")

_POLL_SECONDS = 0.5
_EVENTS = 5


class TimedOutError(ClusterError):
    """Something did not come about in time; the text says what was seen last."""


class Deadline:
    """A moment up to which one waits.

    Args:
        seconds: How far away it is.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether it is past."""
        return time.monotonic() >= self._at

    def until(self, found: Callable[[], T | None]) -> T | None:
        """Ask again and again; return the first answer that is not None, or None when there is none in time."""
        while True:
            answer = found()
            if answer is not None or self.over:
                return answer
            time.sleep(_POLL_SECONDS)


def wait_ready(cluster: Cluster, document: Mapping[str, Any], deadline: Deadline) -> None:
    """Wait until an object is ready.

    Args:
        cluster: Where it is.
        document: The object, or as much of it as names it.
        deadline: Until when.

    Raises:
        TimedOutError: It is not ready in time.
    """
    metadata = document["metadata"]
    last = "it is not there"

    def ready() -> bool | None:
        nonlocal last
        now = cluster.get(document["apiVersion"], document["kind"], metadata["name"], metadata.get("namespace"))
        if now is None:
            last = "it is not there"
            return None
        waits_for = unready(now)
        last = waits_for or last
        return True if waits_for is None else None

    if deadline.until(ready) is None:
        told = [f"{title(document)} was not ready within {deadline.seconds:g} s: {last}"]
        told += [f"  {event}" for event in last_events(cluster, document)]
        raise TimedOutError("\n".join(told))


def last_events(cluster: Cluster, document: Mapping[str, Any]) -> list[str]:
    """Return the newest events about an object and, for a workload, about its pods, oldest first."""
    metadata = document["metadata"]
    namespace = metadata.get("namespace")
    found = cluster.objects("v1", "Event", namespace or "default")
    names = (metadata["name"], f"{metadata['name']}-")
    owned = document["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "InferenceService"}
    about = [event for event in found if _concerns(event["involvedObject"], document["kind"], names, owned=owned)]
    about.sort(key=_moment)
    return [_told(event) for event in about[-_EVENTS:]]


def _concerns(subject: Mapping[str, Any], kind: str, names: tuple[str, str], *, owned: bool) -> bool:
    name = subject.get("name", "")
    if subject.get("kind") == kind:
        return bool(name == names[0])
    # Pods and ReplicaSets carry the name of what made them in front of their own.
    return owned and subject.get("kind") in {"Pod", "ReplicaSet", "Deployment"} and str(name).startswith(names[1])


def _moment(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _told(event: Object) -> str:
    subject = event["involvedObject"]
    message = " ".join(str(event.get("message", "")).split())
    return f"{_moment(event)} {subject.get('kind')} {subject.get('name')}: {event.get('reason')}: {message}"
