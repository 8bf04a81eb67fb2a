# SPDX-License-Identifier: Apache-2.0
"""The pods of a service: which are ready, how many requests each has answered, and how many there shall be."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.kubernetes import kubectl, poll

NAMESPACE = "models"

_SCALE_SECONDS = 180
_ANSWERED = re.compile(r'^portside_requests_total\{[^}]*code="(?:200|OK)"[^}]*\} ([\d.e+]+)$', re.MULTILINE)


def pods_of(service: str, *, namespace: str = NAMESPACE) -> dict[str, dict[str, Any]]:
    """Return a service's pods by their names, those that are leaving excepted."""
    words = ("--namespace", namespace, "--selector", f"serving.kserve.io/inferenceservice={service}")
    found = json.loads(kubectl("get", "pods", *words, "--output", "json"))["items"]
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def ready_pods(service: str, *, namespace: str = NAMESPACE) -> set[str]:
    """Return the names of a service's pods that are ready and not leaving."""
    return {name for name, pod in pods_of(service, namespace=namespace).items() if is_ready(pod)}


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod is ready."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def answered(pod: str, *, namespace: str = NAMESPACE) -> float:
    """Return how many requests a pod has answered well, from its own metrics."""
    metrics = kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics")
    return sum(map(float, _ANSWERED.findall(metrics)))


def server_process(pod: Mapping[str, Any]) -> int | None:
    """Return the process of a pod's server on this machine; None where it has none, or the node is another machine."""
    containers = pod["status"].get("containerStatuses") or []
    marks = [each["containerID"].rpartition("/")[2] for each in containers if each.get("containerID")]
    found = [path for path in Path("/proc").glob("[0-9]*/cgroup") if any(mark in _text(path) for mark in marks)]
    return min((int(path.parent.name) for path in found), default=None)


@contextmanager
def scale(service: str, replicas: int) -> Iterator[set[str]]:
    """Keep a service at this many replicas at least while the block runs; yields their names."""
    before = json.loads(kubectl("get", "isvc", service, "--namespace", NAMESPACE, "--output", "json"))
    least = before["spec"]["predictor"]["minReplicas"]
    set_replicas(service, replicas)
    try:
        yield poll(_SCALE_SECONDS, f"{replicas} ready pods of {service}", lambda: _exactly(service, replicas))
    finally:
        set_replicas(service, least)


def set_replicas(service: str, least: int) -> None:
    """Set the smallest number of replicas."""
    patch = json.dumps([{"op": "replace", "path": "/spec/predictor/minReplicas", "value": least}])
    kubectl("patch", "isvc", service, "--namespace", NAMESPACE, "--type", "json", "--patch", patch)


def _exactly(service: str, replicas: int) -> set[str] | None:
    ready = ready_pods(service)
    return ready if len(ready) == len(pods_of(service)) == replicas else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
