# SPDX-License-Identifier: Apache-2.0
"""A service as a cluster shows it, in the shapes that Kubernetes 1.34 and KServe 0.20 write."""

from typing import Any

from cluster.services.objects import Service, objects
from cluster.services.observation import Observed

OLD, NEW = "s3://models/iris/1.0.0", "s3://models/iris/1.1.0"
NAME = "iris-predictor-new-x1"

Object = dict[str, Any]
_SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def pod(
    *,
    ready: bool = False,
    source: str = NEW,
    template: str = "new",
    initializer: Object | None = None,
    server: Object | None = None,
    **status: Any,
) -> Object:
    """A pod of one of the service's two templates; its two containers' statuses are given in part."""
    done = {"ready": True, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    waiting = {"ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    running = {"ready": ready, "state": {"running": {"startedAt": "2026-11-24T19:41:41Z"}}}
    blank = {"lastState": {}, "restartCount": 0, "image": "docker.io/portside/predictor:0.1.0"}
    server = server or (running if initializer is None else waiting)
    return {
        "metadata": {
            "name": f"iris-predictor-{template}-x1",
            "namespace": "models",
            "creationTimestamp": f"2026-11-24T19:4{2 if template == 'new' else 1}:40Z",
            "labels": {"pod-template-hash": template, "serving.kserve.io/inferenceservice": "iris"},
            "annotations": {_SOURCE: source},
            "ownerReferences": [{"uid": f"set-{template}", "controller": True}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "initContainerStatuses": [{"name": "storage-initializer", **blank, **(initializer or done)}],
            "containerStatuses": [{"name": "kserve-container", **blank, **server}],
            **status,
        },
    }


def observed(
    *pods: Object, deployment: Object | None = None, events: tuple[Object, ...] = (), **changes: Any
) -> Observed:
    """The service, wanted in its new version."""
    service, _, _, http, grpc = objects(Service("iris", "models", "iris.localhost", NEW))
    service["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    template = {
        "metadata": {"annotations": {_SOURCE: NEW}},
        "spec": {
            "serviceAccountName": "models",
            "containers": [
                {
                    "name": "kserve-container",
                    "image": "portside/predictor:0.1.0",
                    "args": ["--model_name=iris", *service["spec"]["predictor"]["model"]["args"]],
                    "resources": service["spec"]["predictor"]["model"]["resources"],
                }
            ],
        },
    }
    made = {
        "metadata": {
            "uid": "deployment",
            "name": "iris-predictor",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 1, "template": template},
        "status": {"observedGeneration": 2, "conditions": [], **(deployment or {})},
    }
    accepted = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    for route in (http, grpc):
        route["metadata"]["generation"] = 1
        route["status"] = {"parents": [{"parentRef": {"name": "portside"}, "conditions": accepted}]}
    fields: dict[str, Any] = {
        "service": service,
        "deployment": made,
        "replica_sets": [_replica_set("old", "1"), _replica_set("new", "2")],
        "pods": pods,
        "routes": {"HTTPRoute": http, "GRPCRoute": grpc},
        "events": events,
    }
    return Observed(**{**fields, **changes})


def _replica_set(template: str, revision: str) -> Object:
    return {
        "metadata": {
            "uid": f"set-{template}",
            "labels": {"pod-template-hash": template},
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": "deployment", "controller": True}],
        }
    }
