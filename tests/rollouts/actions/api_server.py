# SPDX-License-Identifier: Apache-2.0
"""The tests' API server, with routes and autoscalers: it refuses what was read before the last write, and deletes.

It holds a service as KServe has made it, with or without a canary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from cluster.api import Cluster
from cluster.services.objects import Service, objects
from tests.cluster import kubernetes_server
from tests.cluster.kubernetes_server import Kubernetes, kubernetes
from tests.rollouts.actions.services import (
    CANARY,
    FORMER,
    NEW,
    STABLE,
    WRITTEN,
    deployment,
    entry,
    inference_service,
    pod_of,
    replica_set,
)

_MORE = [
    ("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute", True),
    ("gateway.networking.k8s.io/v1", "grpcroutes", "GRPCRoute", True),
    ("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True),
    ("apps/v1", "replicasets", "ReplicaSet", True),
    ("portside.dev/v1alpha1", "modelrollouts", "ModelRollout", True),
]


class _Handler(kubernetes_server._Handler):
    # One packet for each answer.
    wbufsize = -1
    #: Of a kind, how often somebody else writes an object between a read and our write.
    others: dict[str, int]

    def do_PATCH(self) -> None:  # noqa: N802 (the library's name)
        document = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
        key, kind = kubernetes_server._parse(urlsplit(self.path).path), document["kind"]
        found = self.kubernetes.objects[key]
        if self.others.get(kind, 0):
            self.others[kind] -= 1
            self.kubernetes.put(found)
        version = document.get("metadata", {}).pop("resourceVersion", None)
        if version not in {None, self.kubernetes.objects[key]["metadata"]["resourceVersion"]}:
            self._answer(409, {"kind": "Status", "message": "the object has been modified"})
            return
        verb = "apply" if "apply" in self.headers["Content-Type"] else "patch"
        manager = parse_qs(urlsplit(self.path).query)["fieldManager"][0]
        self._answer(200, self.kubernetes.write(f"{verb} as {manager}", key, kind, document))

    def do_POST(self) -> None:  # noqa: N802 (likewise)
        document = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.kubernetes._key(document)
        if key in self.kubernetes.objects:
            self._answer(409, {"kind": "Status", "message": "already exists"})
            return
        self.kubernetes.put(document)
        self._answer(201, self.kubernetes.objects[key])

    def do_DELETE(self) -> None:  # noqa: N802 (likewise)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = kubernetes_server._parse(urlsplit(self.path).path)
        if self.kubernetes.objects.pop(key, None) is None:
            self._answer(404, {"kind": "Status", "message": "not found"})
            return
        self.kubernetes.writes.append(("delete", key[3]))
        self._answer(200, {"kind": "Status", "status": "Success"})


@contextmanager
def api_server(**others: int) -> Iterator[Kubernetes]:
    """Run the server.

    Args:
        others: Of a kind, how many of our writes somebody else comes before.
    """
    kinds = [*kubernetes_server._KINDS, *_MORE]
    handler: type[BaseHTTPRequestHandler] = type("_Handler", (_Handler,), {"others": dict(others)})
    plurals: dict[Any, str] = {(api_version, kind): plural for api_version, plural, kind, _ in kinds}
    with (
        patch.object(kubernetes_server, "_KINDS", kinds),
        patch.object(kubernetes_server, "_PLURALS", plurals),
        patch.object(kubernetes_server, "_Handler", handler),
        kubernetes() as state,
    ):
        yield state


def cluster_at(state: Kubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """Return the product's own edge to Kubernetes, led to a test's API server."""
    # The client reads KUBECONFIG when it is imported, and never again.
    path = str(state.kubeconfig(tmp_path / "kubeconfig"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", path)
    return Cluster()


def serve(state: Kubernetes) -> None:
    """Put the service there, without a canary."""
    state.put(
        inference_service(), *(defaulted(route) for route in objects(Service("iris", "models", "h", FORMER))[-2:])
    )
    state.put(*of_version(STABLE, FORMER, 2))


def serve_canary(state: Kubernetes, traffic: int = 0) -> None:
    """Put there what KServe makes of the canary's entry."""
    state.put(inference_service(entry(1, traffic), written=WRITTEN, minReplicas=3))
    state.put(*of_version(CANARY, NEW, 1))
    state.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": CANARY, "namespace": "models"}})
    labels = {"serving.kserve.io/inferenceservice": "iris"}
    for name in (STABLE, CANARY):
        metadata = {"name": name, "namespace": "models", "labels": labels}
        state.put({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata})


def of_version(backend: str, source: str, pods: int) -> list[dict[str, Any]]:
    made = [
        {"apiVersion": "apps/v1", "kind": "Deployment", **deployment(backend, source, replicas=pods)},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", **replica_set(backend)},
        *({"apiVersion": "v1", "kind": "Pod", **pod_of(backend, number + 1)} for number in range(pods)),
    ]
    for document in made:
        document["metadata"].setdefault("name", backend)
        document["metadata"]["namespace"] = "models"
    return made


def defaulted(route: dict[str, Any]) -> dict[str, Any]:
    """Return a route as the API server and the Gateway complete it."""
    accepted = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    route["status"] = {"parents": [{"parentRef": {"name": "portside"}, "conditions": accepted}]}
    for rule in route["spec"]["rules"]:
        for ref in rule["backendRefs"]:
            ref |= {"group": "", "kind": "Service"}
    return route
