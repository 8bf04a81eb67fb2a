# SPDX-License-Identifier: Apache-2.0
"""The tests' API server as a controller meets it: what was changed in between is refused, and Events can be made.

ModelRollouts can be watched: whoever does is told of each change, until the server ends. Where there are refusals of
``lists``, they cannot be listed.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from tests.cluster import kubernetes_server
from tests.cluster.kubernetes_server import Kubernetes, Object, kubernetes

ROLLOUT = ("portside.dev/v1alpha1", "ModelRollout")
LEASE = ("coordination.k8s.io/v1", "Lease")

#: Subresources come first: an object's own plural is the last of its kind.
_KINDS = [
    (ROLLOUT[0], "modelrollouts/status", ROLLOUT[1], True),
    (ROLLOUT[0], "modelrollouts", ROLLOUT[1], True),
    (LEASE[0], "leases", LEASE[1], True),
    ("apps/v1", "replicasets", "ReplicaSet", True),
    ("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute", True),
]


#: Those whose tests are over.
_over: list[Kubernetes] = []

#: Watched alone: of all others there is no verb for it.
_WATCHED = f"/apis/{ROLLOUT[0]}"


class _Handler(kubernetes_server._Handler):
    def do_GET(self) -> None:  # noqa: N802 (the library's name)
        path, words = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/api":
            self._answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif path == _WATCHED:
            resources = [{**each, "verbs": [*each["verbs"], "watch"]} for each in kubernetes_server._known(ROLLOUT[0])]
            self._answer(200, {"kind": "APIResourceList", "groupVersion": ROLLOUT[0], "resources": resources})
        elif path.endswith("/modelrollouts") and self.kubernetes.refusals.get("lists"):
            self._answer(403, {"kind": "Status", "code": 403, "message": self.kubernetes.refusals["lists"][0]})
        elif words.get("watch") == ["true"]:
            self._stream(kubernetes_server._parse(path)[2])
        else:
            super().do_GET()

    def _stream(self, namespace: str) -> None:
        """Tell of every change from now on, until the other side has enough or the test is over."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        told: dict[str, Object] = {}
        while not any(self.kubernetes is each for each in _over):
            there = {
                key[3]: found
                for key, found in list(self.kubernetes.objects.items())
                if key[1] == "modelrollouts" and key[2] == namespace
            }
            events = [("MODIFIED", found) for name, found in there.items() if told.get(name) != found]
            events += [("DELETED", found) for name, found in told.items() if name not in there]
            try:
                for kind, found in events:
                    self.wfile.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
            except OSError:
                return
            told = there
            time.sleep(0.02)

    def do_PATCH(self) -> None:  # noqa: N802 (likewise)
        body = self._body()
        key = kubernetes_server._parse(urlsplit(self.path).path)
        there = self.kubernetes.objects.get(key)
        version = body["metadata"].get("resourceVersion")
        if self.kubernetes.refusals.get(body["kind"]):
            self._answer(500, {"kind": "Status", "message": self.kubernetes.refusals[body["kind"]].pop(0)})
        elif there is None:
            self._answer(404, {"kind": "Status", "message": f"{key[3]} not found"})
        elif version is not None and version != there["metadata"]["resourceVersion"]:
            self._answer(409, {"kind": "Status", "message": "the object has been modified"})
        else:
            self._answer(200, self.kubernetes.write("patch", key, body["kind"], body))

    def do_POST(self) -> None:  # noqa: N802 (likewise)
        body = self._body()
        api_version, plural, namespace, _ = kubernetes_server._parse(urlsplit(self.path).path)
        key = (api_version, plural, namespace, body["metadata"]["name"])
        if key in self.kubernetes.objects:
            self._answer(409, {"kind": "Status", "message": f"{key[3]} already exists"})
        else:
            self._answer(201, self.kubernetes.write("create", key, body["kind"], body))

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))


@contextmanager
def api_server() -> Iterator[Kubernetes]:
    """Run an API server that knows ModelRollouts, Leases and routes."""
    kinds = [*kubernetes_server._KINDS, *_KINDS]
    plurals = {(api_version, kind): plural for api_version, plural, kind, _ in kinds}
    with (
        patch.object(kubernetes_server, "_KINDS", kinds),
        patch.object(kubernetes_server, "_PLURALS", plurals),
        patch.object(kubernetes_server, "_Handler", _Handler),
        kubernetes() as state,
    ):
        try:
            yield state
        finally:
            _over.append(state)


def rollout(name: str = "spam-1-1-0", *, status: Object | None = None, **metadata: Any) -> Object:
    """Return a ModelRollout of the service ``spam``, as the API server completes one."""
    return {
        "apiVersion": ROLLOUT[0],
        "kind": ROLLOUT[1],
        "metadata": {
            "name": name,
            "namespace": "models",
            "uid": f"uid-of-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        },
        "spec": {"inferenceService": "spam", "storageUri": "s3://models/spam/1.1.0", "steps": [{"traffic": 50}]},
        "status": status or {},
    }
