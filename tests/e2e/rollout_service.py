# SPDX-License-Identifier: Apache-2.0
"""A small service for rollouts: one pod of version 1.0.0, applied from manifests as its users would apply it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.e2e.faulty_versions import FIRST, IMAGE, ROWS, uri
from tests.e2e.gateway import GrpcClient, RestClient, Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.model_rollout import ENDED, rollouts_of
from tests.e2e.pods import NAMESPACE, pods_of, ready_pods
from tests.e2e.steady_load import Outcome, steady_load
from tests.e2e.use_cases import portside

#: Who applies what rollouts add to an InferenceService and its routes.
FIELD_MANAGER: Final = "portside-rollouts"
#: Requests a second.
RATE: Final = 50

_READY_SECONDS = 180
_SETTLED_SECONDS = 120
_ROUTES = ("httproute", "grpcroute")
_KINDS = "isvc,httproute,grpcroute,backendtrafficpolicy,poddisruptionbudget"


@dataclass(frozen=True)
class RolloutService:
    """An InferenceService with its routes.

    Attributes:
        name: Its name.
        manifest: What was applied, as YAML.
    """

    name: str
    manifest: str

    @property
    def service(self) -> Service:
        """How its users reach it."""
        return Service(self.name, f"{self.name}.localhost")

    def apply(self) -> None:
        """Apply the manifests, as a GitOps controller does again and again."""
        kubectl("apply", "--filename", "-", stdin=self.manifest)

    def object(self, kind: str) -> dict[str, Any]:
        """Return one of the objects that bear its name."""
        words = ("get", kind, self.name, "--namespace", NAMESPACE, "--show-managed-fields", "--output", "json")
        found: dict[str, Any] = json.loads(kubectl(*words))
        return found

    def shape(self) -> dict[str, Any]:
        """Return all that a rollout may change on the way and must leave as it was, the version excepted."""
        inference_service = self.object("isvc")
        predictor = inference_service["spec"]["predictor"]
        predictor["model"].pop("storageUri")
        return {
            "spec": inference_service["spec"],
            "routes": [self.object(kind)["spec"] for kind in _ROUTES],
            "objects": self._made(),
            "replicas": len(pods_of(self.name)),
        }

    def owned_by_rollouts(self) -> list[str]:
        """Return the kinds of its objects of which a field belongs to rollouts."""
        return [
            kind
            for kind in ("isvc", *_ROUTES)
            if any(each["manager"] == FIELD_MANAGER for each in self.object(kind)["metadata"]["managedFields"])
        ]

    def version(self) -> str:
        """Return the version that its spec names."""
        storage_uri: str = self.object("isvc")["spec"]["predictor"]["model"]["storageUri"]
        return storage_uri.rstrip("/").rpartition("/")[2]

    def start_again(self) -> None:
        """End its rollouts, delete them and bring it back to the version that its manifest names."""
        for rollout in rollouts_of(self.name):
            if rollout.phase not in ENDED:
                rollout.patch(end="Abort")
                rollout.wait_for_end()
            kubectl("delete", "modelrollout", rollout.name, "--namespace", NAMESPACE)
        self.apply()
        poll(_SETTLED_SECONDS, f"{self.name} to be at {FIRST} alone", self._is_settled)

    @contextmanager
    def load(self, rate: float = RATE) -> Iterator[tuple[Outcome, RestClient]]:
        """Ask over REST at a steady rate while the block runs; every answer is compared with the first one."""
        client = RestClient(self.service, ROWS, self.service.rest(ROWS))
        with steady_load(client, rate=rate) as outcome:
            poll(60, "the load to run", lambda: outcome.count > rate)
            yield outcome, client

    @contextmanager
    def grpc_load(self, rate: float) -> Iterator[Outcome]:
        """Ask over gRPC at a steady rate while the block runs, as over REST."""
        with steady_load(GrpcClient(self.service, ROWS, self.service.grpc(ROWS)), rate=rate) as outcome:
            yield outcome

    def dump(self) -> None:
        """Print all that tells why rollouts of it went as they did."""
        for rollout in rollouts_of(self.name):
            rollout.dump()
        for words in (("pods",), ("events", "--sort-by", ".lastTimestamp")):
            print(kubectl("get", *words, "--namespace", NAMESPACE, check=False), file=sys.stderr)

    def _made(self) -> list[str]:
        """Return what KServe has made of it, by kind and name."""
        words = ("--namespace", NAMESPACE, "--selector", f"serving.kserve.io/inferenceservice={self.name}")
        return sorted(kubectl("get", "deployment,service,hpa", *words, "--output", "name").split())

    def _is_settled(self) -> bool:
        deployment = _deployment(self.name)
        return (
            uri(FIRST) in json.dumps(deployment["spec"]["template"])
            # What an earlier service of this name has left goes a moment later than that itself.
            and all(name.endswith(f"/{self.name}-predictor") for name in self._made())
            and deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"]
            and deployment["status"].get("updatedReplicas") == len(pods_of(self.name)) == len(ready_pods(self.name))
        )


@contextmanager
def rollout_service(name: str) -> Iterator[RolloutService]:
    """Make such a service, in place of what an earlier run left there, and take it away when the block ends."""
    _delete(name)
    words = ("deploy", name, "--artifact", uri(FIRST), "--image", IMAGE, "--allow-pickle", "--dry-run")
    documents = list(yaml.safe_load_all(portside(*words).stdout))
    service = RolloutService(name, yaml.safe_dump_all(map(_with_prediction_log, documents)))
    try:
        service.apply()
        poll(_READY_SECONDS, f"the gateway to lead to {name}", service.service.is_answering)
        yield service
    finally:
        _delete(name)


def _delete(name: str) -> None:
    for rollout in rollouts_of(name):
        kubectl("delete", "modelrollout", rollout.name, "--namespace", NAMESPACE, "--wait=false")
    kubectl("delete", _KINDS, name, "--namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _with_prediction_log(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object of which the server writes a log of predictions, by which shadowing compares answers."""
    if document["kind"] == "InferenceService":
        model = document["spec"]["predictor"]["model"]
        model.setdefault("env", []).append({"name": "PREDICTOR_LOG_PREDICTIONS", "value": "-"})
    return document


def _deployment(name: str) -> dict[str, Any]:
    words = ("get", "deployment", f"{name}-predictor", "--namespace", NAMESPACE, "--output", "json")
    found: dict[str, Any] = json.loads(kubectl(*words))
    return found
