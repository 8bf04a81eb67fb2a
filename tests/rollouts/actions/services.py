# SPDX-License-Identifier: Apache-2.0
"""A service with a canary as a cluster shows it, in the shapes that Kubernetes 1.34 and KServe 0.20 write."""

from datetime import UTC, datetime
from typing import Any

from cluster.services.objects import Service, objects
from rollouts.spec import Rollout
from rollouts.status import Canary, Former

FORMER, NEW = "s3://models/iris/1.0.0/", "s3://models/iris/1.1.0/"
STABLE, CANARY = "iris-predictor", "iris-v1-1-0-predictor"

#: The rollout of the new version, its canary, and what the service was before.
ROLLOUT = Rollout("iris-1-1-0", "models", "uid", datetime(2026, 11, 25, 8, tzinfo=UTC), "iris", NEW)
ONE = Canary("v1-1-0", NEW, 1)
WAS = Former(FORMER, min_replicas=2, max_replicas=4)

Object = dict[str, Any]

#: The fields of an InferenceService that a rollout owns while there is a canary.
WRITTEN: Object = {"f:spec": {"f:canary": {}, "f:predictor": {"f:minReplicas": {}, "f:maxReplicas": {}}}}

_SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def inference_service(*canaries: Object, written: Object | None = None, **predictor: Any) -> Object:
    """The service in its former version, two pods at least and four at most.

    Args:
        canaries: Entries of its canaries.
        written: The fields that a rollout owns, as ``managedFields`` has them.
        predictor: What its predictor has besides.
    """
    service = objects(Service("iris", "models", "iris.localhost", FORMER, min_replicas=2, max_replicas=4))[0]
    service["spec"]["predictor"] |= predictor
    if canaries:
        service["spec"]["canary"] = list(canaries)
    service["metadata"] |= {"uid": "service", "resourceVersion": "1", "managedFields": managed(written)}
    return service


def entry(replicas: int = 1, traffic: int = 0, name: str = "v1-1-0", source: str = NEW) -> Object:
    """A canary's entry."""
    model = {
        "modelFormat": {"name": "portside", "version": "1"},
        "protocolVersion": "v2",
        "runtime": "portside",
        "storageUri": source,
    }
    return {"predictor": {"name": name, "minReplicas": replicas, "model": model}, "trafficPercent": traffic}


def managed(written: Object | None) -> list[Object]:
    """What ``managedFields`` says of a user's fields, and of a rollout's."""
    user = {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    if written is None:
        return [user]
    return [user, {"manager": "portside-rollouts", "operation": "Apply", "fieldsV1": written}]


def deployment(name: str, source: str, *, replicas: int = 1) -> Object:
    """A Deployment that KServe has brought to a version."""
    container = {
        "name": "kserve-container",
        "args": ["--model_name=iris", "--workers=1"],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "2", "memory": "1Gi"},
        },
    }
    return {
        "metadata": {
            "name": name,
            "uid": f"deployment-{name}",
            "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "labels": {"serving.kserve.io/inferenceservice": "iris"},
        },
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"annotations": {_SOURCE: source}},
                "spec": {"serviceAccountName": "models", "containers": [container]},
            },
        },
        "status": {"observedGeneration": 1, "conditions": []},
    }


def replica_set(name: str) -> Object:
    """The ReplicaSet of a Deployment's present template."""
    return {
        "metadata": {
            "uid": f"set-{name}",
            "labels": {"pod-template-hash": name, "serving.kserve.io/inferenceservice": "iris"},
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [{"uid": f"deployment-{name}", "controller": True}],
        }
    }


def pod_of(
    backend: str, number: int = 1, *, ready: bool = True, server: Object | None = None, **metadata: Any
) -> Object:
    """A pod of a Deployment; its server's status is given in part."""
    status = {
        "name": "kserve-container",
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-11-25T08:00:05Z"}},
        "lastState": {},
        **(server or {}),
    }
    return {
        "metadata": {
            "name": f"{backend}-{number}",
            "uid": f"{backend}-{number}",
            "labels": {
                "app": f"isvc.{backend}",
                "pod-template-hash": backend,
                "serving.kserve.io/inferenceservice": "iris",
            },
            "annotations": {_SOURCE: NEW if backend == CANARY else FORMER},
            "ownerReferences": [{"uid": f"set-{backend}", "controller": True}],
            **metadata,
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [status],
        },
    }
