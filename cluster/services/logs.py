# SPDX-License-Identifier: Apache-2.0
"""What a service's pods have logged, as a person reads it."""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.readiness import is_ready
from cluster.services.observation import CONTAINER, INITIALIZER, Observed

_OWN_KEYS: Final = ("time", "level", "message", "logger", "traceback")


@dataclass(frozen=True, slots=True)
class Source:
    """A container whose log is read.

    Attributes:
        pod: Its pod.
        container: Its name in the pod.
    """

    pod: str
    container: str


def sources(observed: Observed, *, every: bool) -> list[Source]:
    """Return whose logs tell how a service fares: its newest pod in trouble, or one that serves.

    Args:
        observed: The service.
        every: Take all its pods.

    Raises:
        ClusterError: It has no pods.
    """
    pods = sorted(observed.pods, key=lambda pod: (is_ready(pod), _age_key(pod)))
    if not pods:
        raise ClusterError(f"{observed.name} has no pods; `portside status {observed.name}` says why")
    troubled = [pod for pod in pods if not is_ready(pod)]
    chosen = pods if every else [troubled[-1] if troubled else pods[-1]]
    return [Source(pod["metadata"]["name"], _container(pod)) for pod in chosen]


def read(cluster: Cluster, namespace: str, found: Sequence[Source], *, follow: bool, **words: Any) -> Iterator[str]:
    """Yield the lines of the logs, each with its pod in front where there are several.

    Args:
        cluster: Where the pods are.
        namespace: Their namespace.
        found: Whose logs.
        follow: Go on until the containers end.
        words: What the API takes besides: ``tail_lines``, ``previous``.
    """

    def lines(source: Source) -> Iterator[str]:
        told = cluster.log_lines(source.pod, namespace, container=source.container, follow=follow, **words)
        return told if len(found) == 1 else (f"{source.pod} {line}" for line in told)

    if follow and len(found) > 1:
        yield from _together([lines(source) for source in found])
    else:
        for source in found:
            yield from lines(source)


def readable(line: str) -> str:
    """Return a log line as time, level and message, with the record's own fields; one that is not JSON as it is."""
    start = line.find("{")
    head = line[:start]
    # Only a pod's name may stand in front.
    if start < 0 or " " in head.rstrip():
        return line
    try:
        document = json.loads(line[start:])
        told = f"{head}{document['time']} {document['level']:<7} {document['message']}"
    except (ValueError, KeyError, TypeError):
        return line
    fields = " ".join(f"{key}={value}" for key, value in document.items() if key not in _OWN_KEYS)
    told = f"{told} ({fields})" if fields else told
    return f"{told}\n{document['traceback']}" if "traceback" in document else told


def _together(logs: Sequence[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of several logs as they come, until all have ended."""
    queue: SimpleQueue[str | ClusterError | None] = SimpleQueue()

    def forward(log: Iterable[str]) -> None:
        try:
            for line in log:
                queue.put(line)
        except ClusterError as err:
            queue.put(err)
        else:
            queue.put(None)

    for log in logs:
        threading.Thread(target=forward, args=(log,), daemon=True).start()
    open_logs = len(logs)
    while open_logs:
        told = queue.get()
        if isinstance(told, ClusterError):
            raise told
        if told is None:
            open_logs -= 1
        else:
            yield told


def _container(pod: Object) -> str:
    """Return the container to read: the one that loads the model for as long as the server has never started."""
    status = pod.get("status", {})
    initializers = {each["name"]: each for each in status.get("initContainerStatuses") or []}
    initializer = initializers.get(INITIALIZER)
    return CONTAINER if initializer is None or initializer.get("ready") else INITIALIZER


def _age_key(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
