# SPDX-License-Identifier: Apache-2.0
"""How soon a new predictor pod is ready, beside a stock KServe predictor of the same model from the same store."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import predictors
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.object_store import publish, upload
from tests.e2e.pods import NAMESPACE, is_ready, pods_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

STOCK_IMAGE = "stock/sklearn-predictor:0.21.0"
ROUNDS = 3
READY_SECONDS = 180
#: Most of the time is Kubernetes' own and the same for both: sandbox, storage initializer, the kubelet's one-second
#: rounds. What is left to the server must at least not make a pod later than the stock predictor's.
NOT_SLOWER = 1.25


def test_a_new_pod_is_ready_no_later_than_a_stock_predictors(platform: None, tmp_path: Path) -> None:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    publish(predictors.pack(model, rows, name="iris", version="1.0.0", out=tmp_path))
    joblib.dump(model, tmp_path / "model.joblib")
    upload(tmp_path / "model.joblib", "stock/iris/model.joblib")
    _build_stock_image()
    ours: list[float] = []
    stock: list[float] = []
    with _service("start-portside", _portside()), _service("start-stock", _stock()):
        # In turns, so that a busy moment of the machine meets both.
        for _ in range(ROUNDS):
            ours.append(_seconds_to_ready("start-portside"))
            stock.append(_seconds_to_ready("start-stock"))
    ratio = statistics.median(ours) / statistics.median(stock)
    print(f"\nfrom pod creation to Ready: {_told(ours)}, stock KServe {_told(stock)}: {ratio:.2f}x")
    assert ratio <= NOT_SLOWER


def _seconds_to_ready(service: str) -> float:
    """Delete the service's pod and return how long the next one takes."""
    (old,) = pods_of(service)
    kubectl("delete", "pod", old, "--namespace", NAMESPACE, "--grace-period=1", "--wait=false")
    poll(READY_SECONDS, "a new pod", lambda: old not in pods_of(service) and len(pods_of(service)) == 1)
    begin = time.monotonic()
    poll(READY_SECONDS, f"the pod of {service} to be ready", lambda: _all_ready(service))
    return time.monotonic() - begin


def _all_ready(service: str) -> bool:
    pods = pods_of(service)
    return bool(pods) and all(map(is_ready, pods.values()))


@contextmanager
def _service(name: str, predictor: dict[str, Any]) -> Iterator[None]:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"networking.kserve.io/visibility": "cluster-local"},
        "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
    }
    document = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "serviceAccountName": "models", **predictor}},
    }
    kubectl("apply", "--filename", "-", stdin=json.dumps(document))
    try:
        poll(READY_SECONDS, f"{name} to be ready", lambda: _all_ready(name))
        yield
    finally:
        kubectl("delete", "isvc", name, "--namespace", NAMESPACE, "--wait=false")


def _portside() -> dict[str, Any]:
    model = {
        "modelFormat": {"name": "portside", "version": "1"},
        "runtime": "portside",
        "protocolVersion": "v2",
        "storageUri": "s3://models/iris/1.0.0",
        "resources": _RESOURCES,
    }
    return {"model": model}


def _stock() -> dict[str, Any]:
    """The stock server in the same place, with the same resources and its model from the same store.

    It brings no probe of its own, as KServe's own runtimes do not; KServe adds one.
    """
    container = {
        "name": "kserve-container",
        "image": STOCK_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["iris=/mnt/models/model.joblib"],
        "env": [{"name": "STORAGE_URI", "value": "s3://models/stock/iris"}],
        "resources": _RESOURCES,
        "securityContext": _RESTRICTED,
    }
    return {"containers": [container]}


_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _build_stock_image() -> None:
    kit = os.environ.get("CLUSTER_KIT")
    if kit is None:
        pytest.skip("the stock predictor's image is built by the cluster kit only")
    root = Path(__file__).parents[2]
    dockerfile = root / "tests/e2e/stock_predictor/Dockerfile"
    words = [Path(kit).resolve(), "build-image", root / "benchmarks/servers", STOCK_IMAGE, "--file", dockerfile]
    built = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=900)
    assert built.returncode == 0, built.stderr


def _told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({', '.join(f'{each:.1f}' for each in seconds)})"
