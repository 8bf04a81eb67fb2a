# SPDX-License-Identifier: Apache-2.0
"""How services fare: a table, and below it a sentence for each that is not as it is wanted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.readiness import is_ready
from cluster.services.address import gateway_address, hostname_of
from cluster.services.artifact_uri import version_of
from cluster.services.objects import HTTP_ROUTE
from cluster.services.observation import Observed, observe, source_of, unknown_service
from cluster.services.reasons import explain, sentence

_HEADS: Final = ("SERVICE", "READY", "VERSION", "REPLICAS", "TRAFFIC", "ADDRESS")
_HTTP_PORT: Final = 8080
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Status:
    """How a service fares.

    Attributes:
        service: Its name.
        ready: Whether its wanted version serves on every replica that there has to be.
        artifact: The URI of the version that is wanted.
        version: That version.
        former: Other versions that still serve.
        ready_replicas: How many pods are ready, of any version.
        replicas: How many there should be.
        traffic: Percent of the requests by backend.
        address: Where it is asked; empty where no route leads to it.
        reason: Why it is not ready, in one sentence; None when it is.
    """

    service: str
    ready: bool
    artifact: str
    version: str
    former: tuple[str, ...]
    ready_replicas: int
    replicas: int
    traffic: Mapping[str, int]
    address: str
    reason: str | None


class StatusReader:
    """Reads how services fare.

    Args:
        cluster: Where they are.
        namespace: Their namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._address = gateway_address(cluster)
        #: Of each artifact, the version that its pods tell: asked once.
        self._versions: dict[tuple[str, str], str] = {}

    def read(self, name: str | None = None) -> list[Status]:
        """Return how the services fare, by name.

        Args:
            name: Only this one.

        Raises:
            ClusterError: There is no such service.
        """
        found = observe(self._cluster, self._namespace, name)
        if name is not None and not found:
            raise unknown_service(name, self._namespace)
        return [self._status(observed) for observed in found]

    def _status(self, observed: Observed) -> Status:
        reason = explain(observed)
        new = [pod for pod in observed.new_pods if is_ready(pod)]
        route = observed.routes.get(HTTP_ROUTE[1])
        hostname = hostname_of(route)
        spec = {} if observed.deployment is None else observed.deployment["spec"]
        return Status(
            service=observed.name,
            ready=reason is None,
            artifact=observed.artifact,
            version=self._version(observed, new[0]) if new else version_of(observed.artifact),
            former=tuple(dict.fromkeys(self._version(observed, pod) for pod in observed.former_ready)),
            ready_replicas=len(new) + sum(map(is_ready, observed.old_pods)),
            replicas=max(observed.least, spec.get("replicas", 0)),
            traffic=traffic(route),
            address="" if hostname is None else self._address.format(host=hostname),
            reason=None if reason is None else sentence(reason, observed),
        )

    def _version(self, observed: Observed, pod: Object) -> str:
        """Return the version that a pod says it serves; that of its artifact's URI where it cannot be asked."""
        key = (observed.name, source_of(pod))
        if key not in self._versions:
            self._versions[key] = self._asked_version(observed, pod) or version_of(source_of(pod))
        return self._versions[key]

    def _asked_version(self, observed: Observed, pod: Object) -> str | None:
        path = f"v2/models/{observed.name}"
        try:
            told = self._cluster.ask_pod(pod["metadata"]["name"], observed.namespace, _HTTP_PORT, path)
            return str(told["versions"][0])
        except (ClusterError, LookupError, TypeError):
            return None


def traffic(route: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the percent of the requests that a route sends to each of its backends."""
    rules = (route or {}).get("spec", {}).get("rules") or [{}]
    weights = {each["name"]: each.get("weight", 1) for each in rules[0].get("backendRefs") or []}
    total = sum(weights.values())
    return {name: round(100 * weight / total) for name, weight in weights.items()} if total else {}


def table(statuses: Sequence[Status]) -> str:
    """Return the services as a table, and below it why those that are not ready are not."""
    lines = [_HEADS, *map(_cells, statuses)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    rows = [_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*rows, *reasons(statuses)])


def line(status: Status) -> str:
    """Return how a service fares, in one line."""
    told = f"{status.service}: {_GAP.join(_cells(status)[1:])}"
    return told if status.reason is None else f"{told}{_GAP}({status.reason})"


def reasons(statuses: Iterable[Status]) -> list[str]:
    """Return a sentence for each service that is not ready."""
    return [f"{status.service}: {status.reason}" for status in statuses if status.reason is not None]


def _cells(status: Status) -> tuple[str, ...]:
    return (
        status.service,
        "yes" if status.ready else "no",
        f"{', '.join(status.former)} -> {status.version}" if status.former else status.version,
        f"{status.ready_replicas}/{status.replicas}",
        ", ".join(f"{percent}% {name}" for name, percent in status.traffic.items()) or "none",
        status.address or "-",
    )
