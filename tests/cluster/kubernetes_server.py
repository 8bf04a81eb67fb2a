# SPDX-License-Identifier: Apache-2.0
"""An API server for tests: it keeps the objects it is given, and answers over HTTP as Kubernetes would.

It stands where a cluster would, so that every line of our own code runs. It runs no controllers: an object's status
is what the test put there.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

Object = dict[str, Any]
Key = tuple[str, str, str, str]

#: Group and version, plural, kind, and whether its objects live in namespaces.
_KINDS = [
    ("v1", "namespaces", "Namespace", False),
    ("v1", "configmaps", "ConfigMap", True),
    ("v1", "secrets", "Secret", True),
    ("v1", "serviceaccounts", "ServiceAccount", True),
    ("v1", "services", "Service", True),
    ("v1", "pods", "Pod", True),
    ("v1", "events", "Event", True),
    ("v1", "persistentvolumeclaims", "PersistentVolumeClaim", True),
    ("apps/v1", "deployments", "Deployment", True),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", False),
    ("apiregistration.k8s.io/v1", "apiservices", "APIService", False),
    ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", True),
    ("metrics.k8s.io/v1beta1", "nodes", "NodeMetrics", False),
    ("gateway.networking.k8s.io/v1", "gatewayclasses", "GatewayClass", False),
    ("gateway.networking.k8s.io/v1", "gateways", "Gateway", True),
    ("serving.kserve.io/v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", False),
    ("serving.kserve.io/v1beta1", "inferenceservices", "InferenceService", True),
    ("serving.kserve.io/v1alpha1", "clusterstoragecontainers", "ClusterStorageContainer", False),
]
_PLURALS = {(api_version, kind): plural for api_version, plural, kind, _ in _KINDS}


@dataclass
class Kubernetes:
    """The server's state.

    Attributes:
        url: Where it listens.
        objects: What it holds, by group and version, plural, namespace and name.
        writes: What was applied (``apply``) or patched (``patch``), in order.
        refusals: Of a kind, the messages that its next writes are refused with.
        others: By path, what stands behind it where that is no object: a pod's log, or a pod itself. It gets the words
            of the query, and gives the body.
    """

    url: str = ""
    objects: dict[Key, Object] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, Callable[[dict[str, str]], bytes]] = field(default_factory=dict)
    changes: int = 0

    def put(self, *documents: Object) -> None:
        """Put objects there, as others would have."""
        for document in documents:
            self._keep(self._key(document), document)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        """Return an object."""
        return self.objects[api_version, _PLURALS[api_version, kind], namespace, name]

    def write(self, verb: str, key: Key, kind: str, document: Object) -> Object:
        """Merge a document into what is there."""
        before = self.objects.get(key, {})
        after = _merged(before, document)
        if after != before:
            self._keep(key, after)
        self.writes.append((verb, f"{kind} {key[3]}"))
        return self.objects[key]

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads here."""
        entries = {
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "test", **entries}))
        return path

    def _key(self, document: Object) -> Key:
        metadata, api_version = document["metadata"], document["apiVersion"]
        return api_version, _PLURALS[api_version, document["kind"]], metadata.get("namespace", ""), metadata["name"]

    def _keep(self, key: Key, document: Object) -> None:
        self.changes += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.changes), "generation": 1}
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        kept = {**document, "metadata": metadata}
        kept.setdefault("status", _status_of(document["kind"]))
        self.objects[key] = kept


@contextmanager
def kubernetes() -> Iterator[Kubernetes]:
    """Run a server while the block lasts."""
    state = Kubernetes()

    class Handler(_Handler):
        kubernetes = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    kubernetes: Kubernetes
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, words = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        other = self.kubernetes.others.get(unquote(path))
        if other is not None:
            self._send(200, other({word: values[-1] for word, values in words.items()}), "text/plain")
        elif path == "/version":
            self._answer(200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"})
        elif path == "/apis":
            self._answer(200, {"kind": "APIGroupList", "groups": _groups()})
        elif (api_version := path.removeprefix("/apis/").removeprefix("/api/")) in {kind[0] for kind in _KINDS}:
            self._answer(
                200, {"kind": "APIResourceList", "groupVersion": api_version, "resources": _known(api_version)}
            )
        else:
            self._answer_objects(path, words)

    def do_PATCH(self) -> None:
        document = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
        key = _parse(urlsplit(self.path).path)
        kind = next(kind for api_version, plural, kind, _ in _KINDS if (api_version, plural) == key[:2])
        refusals = self.kubernetes.refusals.get(kind, [])
        if refusals:
            self._answer(500, {"kind": "Status", "message": refusals.pop(0)})
            return
        verb = "apply" if "apply" in self.headers["Content-Type"] else "patch"
        self._answer(200, self.kubernetes.write(verb, key, kind, document))

    def _answer_objects(self, path: str, words: dict[str, list[str]]) -> None:
        api_version, plural, namespace, name = _parse(path)
        if name:
            found = self.kubernetes.objects.get((api_version, plural, namespace, name))
            self._answer(200 if found else 404, found or {"kind": "Status", "message": f"{plural} {name} not found"})
            return
        wanted = words.get("fieldSelector", [""])[0].removeprefix("metadata.name=")
        labels = dict(pair.split("=") for pair in words.get("labelSelector", [""])[0].split(",") if pair)
        items = [
            found
            for key, found in sorted(self.kubernetes.objects.items())
            if key[:2] == (api_version, plural)
            and namespace in {"", key[2]}
            and wanted in {"", key[3]}
            and labels.items() <= found["metadata"].get("labels", {}).items()
        ]
        kind = next(kind for one, other, kind, _ in _KINDS if (one, other) == (api_version, plural))
        self._answer(200, {"apiVersion": api_version, "kind": f"{kind}List", "metadata": {}, "items": items})

    def _answer(self, code: int, body: Object) -> None:
        self._send(code, json.dumps(body).encode(), "application/json")

    def _send(self, code: int, content: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Keep quiet."""


def _parse(path: str) -> Key:
    parts = path.strip("/").split("/")
    api_version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return api_version, rest[0], namespace, rest[1] if len(rest) > 1 else ""


def _groups() -> list[Object]:
    names = sorted({api_version for api_version, *_ in _KINDS if "/" in api_version})
    found: dict[str, list[Object]] = {}
    for name in names:
        group, version = name.split("/")
        found.setdefault(group, []).append({"groupVersion": name, "version": version})
    return [{"name": group, "versions": versions, "preferredVersion": versions[0]} for group, versions in found.items()]


def _known(api_version: str) -> list[Object]:
    verbs = ["get", "list", "patch", "create"]
    return [
        {"name": plural, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": verbs}
        for one, plural, kind, namespaced in _KINDS
        if one == api_version
    ]


def _status_of(kind: str) -> Object:
    """Return what a controller would soon write, so that what is applied gets ready."""
    if kind == "Namespace":
        return {"phase": "Active"}
    if kind == "Deployment":
        return {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    condition = {
        "CustomResourceDefinition": "Established",
        "APIService": "Available",
        "GatewayClass": "Accepted",
        "Gateway": "Programmed",
        "InferenceService": "Ready",
    }.get(kind)
    return {"conditions": [{"type": condition, "status": "True", "reason": "Done"}]} if condition else {}


def _merged(before: Any, change: Any) -> Any:
    """Merge as a JSON merge patch does; lists are replaced."""
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    merged = dict(before)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(before.get(key, {}), value)
    return merged
