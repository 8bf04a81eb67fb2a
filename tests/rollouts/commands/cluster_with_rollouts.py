# SPDX-License-Identifier: Apache-2.0
"""The tests' API server, with ModelRollouts, a service, and dry runs that change nothing."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.cluster import kubernetes_server
from tests.cluster.kubernetes_server import Key, Kubernetes, Object, kubernetes

GROUP = "portside.dev/v1alpha1"
KIND = "ModelRollout"
_ROLLOUTS = (GROUP, "modelrollouts", KIND, True)
BUCKET = "s3://models/spam"
#: How often each object was looked at, by its name.
_looks: Counter[str] = Counter()


def tried(document: Object) -> None:
    """Is told of what was tried in a dry run; a test may do something at that moment."""


class _Handler(kubernetes_server._Handler):
    def do_GET(self) -> None:  # noqa: N802 (the library's name)
        super().do_GET()
        _looks[urlsplit(self.path).path.rpartition("/")[2]] += 1

    def do_PATCH(self) -> None:  # noqa: N802 (likewise)
        if parse_qs(urlsplit(self.path).query).get("dryRun") != ["All"]:
            super().do_PATCH()
            return
        document = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
        refusals = self.kubernetes.refusals.get(document["kind"], [])
        if refusals:
            self._answer(422, {"kind": "Status", "message": refusals.pop(0)})
        else:
            tried(document)
            self._answer(200, document)

    def do_POST(self) -> None:  # noqa: N802 (likewise)
        document = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.kubernetes._key(document)
        if key in self.kubernetes.objects:
            self._answer(409, {"kind": "Status", "message": f"{key[1]} {key[3]} already exists"})
        else:
            self._answer(201, self.kubernetes.write("create", key, document["kind"], document))


@contextmanager
def cluster_with_rollouts() -> Iterator[Kubernetes]:
    """Run an API server that knows ModelRollouts and holds the service ``spam`` at 1.0.0."""
    kinds = [*kubernetes_server._KINDS, _ROLLOUTS]
    plurals = {**kubernetes_server._PLURALS, (GROUP, KIND): _ROLLOUTS[1]}
    with (
        patch.object(kubernetes_server, "_KINDS", kinds),
        patch.object(kubernetes_server, "_PLURALS", plurals),
        patch.object(kubernetes_server, "_Handler", _Handler),
        kubernetes() as state,
    ):
        _looks.clear()
        serve(state, "1.0.0")
        yield state


def await_looks(name: str, more: int = 2) -> None:
    """Return once a rollout was looked at so often again."""
    deadline, before = time.monotonic() + 30, _looks[name]
    while _looks[name] < before + more and time.monotonic() < deadline:
        time.sleep(0.05)


def serve(state: Kubernetes, version: str) -> None:
    """Have the service ``spam`` serve a version."""
    predictor = {"model": {"storageUri": f"{BUCKET}/{version}/"}}
    metadata = {"name": "spam", "namespace": "models"}
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    state.put({**kind, "metadata": metadata, "spec": {"predictor": predictor}})


def put_rollout(
    state: Kubernetes,
    name: str,
    version: str,
    *,
    status: Object | None = None,
    created: str = "2026-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> None:
    """Put a rollout of ``spam`` there, as far as a controller has brought it."""
    metadata = {"name": name, "namespace": "models", "creationTimestamp": created, "labels": labels or {}}
    whole = {"inferenceService": "spam", "storageUri": f"{BUCKET}/{version}/", **spec}
    state.put({"apiVersion": GROUP, "kind": KIND, "metadata": metadata, "spec": whole, "status": status or {}})


def rollout(state: Kubernetes, name: str) -> Object:
    """Return a copy of a rollout's object."""
    return deepcopy(state.get(GROUP, KIND, name, "models"))


def rollouts(state: Kubernetes) -> list[str]:
    """Return the rollouts' names."""
    return [key[3] for key in _keys(state) if key[1] == _ROLLOUTS[1]]


def _keys(state: Kubernetes) -> list[Key]:
    return sorted(state.objects)


def status_of(phase: str, **more: Any) -> Object:
    """Return a status as the controller writes it."""
    return {
        "observedGeneration": 1,
        "phase": phase,
        "step": 0,
        "traffic": 0,
        "verdict": "",
        "version": None,
        "formerVersion": None,
        "gates": [],
        "shadow": {"compared": 0, "different": 0, "example": ""},
        "decisions": [],
        "state": {},
        **more,
    }
