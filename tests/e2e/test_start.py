# SPDX-License-Identifier: Apache-2.0
"""How soon a new predictor pod is ready, beside a stock KServe predictor of the same model from the same store."""

import json
import os
import shutil
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

#: KServe's server for scikit-learn is on no package index; its module for Go is the whole repository.
KSERVE_SOURCE = "github.com/kserve/kserve@v0.20.0"
STOCK_IMAGE = "stock/sklearnserver:0.21.0"
STOCK_RUNTIME = "stock-sklearn"
ROUNDS = 3
READY_SECONDS = 180
#: Most of the time is Kubernetes' own and the same for both: sandbox, storage initializer, the kubelet's rounds of a
#: second, one or two of which a busy moment adds to either. A server that takes seconds more is found.
NOT_SLOWER = 1.75


def test_a_new_pod_is_ready_no_later_than_a_stock_predictors(platform: None, tmp_path: Path) -> None:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    publish(predictors.pack(model, rows, name="iris", version="1.0.0", out=tmp_path))
    joblib.dump(model, tmp_path / "model.joblib")
    upload(tmp_path / "model.joblib", "stock/iris/model.joblib")
    stock_image = tmp_path / "image"
    stock_image.mkdir()
    _build_stock_image(stock_image)
    ours: list[float] = []
    stock: list[float] = []
    with _stock_runtime(), _service("start-portside", _portside()), _service("start-stock", _stock()):
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
    model = {
        "modelFormat": {"name": "sklearn"},
        "runtime": STOCK_RUNTIME,
        "protocolVersion": "v2",
        "storageUri": "s3://models/stock/iris",
    }
    return {"model": model}


@contextmanager
def _stock_runtime() -> Iterator[None]:
    """KServe's runtime for scikit-learn: its arguments and limits, and no probe, so that KServe adds its own.

    Less is requested here, so that both fit on a small node, and Pod Security ``restricted`` admits it.
    """
    container = {
        "name": "kserve-container",
        "image": STOCK_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "securityContext": _RESTRICTED,
    }
    formats = [{"name": "sklearn", "version": "1", "autoSelect": False}]
    document = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": STOCK_RUNTIME, "namespace": NAMESPACE},
        "spec": {"containers": [container], "protocolVersions": ["v1", "v2"], "supportedModelFormats": formats},
    }
    kubectl("apply", "--filename", "-", stdin=json.dumps(document))
    try:
        yield
    finally:
        kubectl("delete", "servingruntime", STOCK_RUNTIME, "--namespace", NAMESPACE)


_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _build_stock_image(folder: Path) -> None:
    """Build KServe's server for scikit-learn from its published source and packages."""
    kit = os.environ.get("CLUSTER_KIT")
    if kit is None:
        pytest.skip("the stock predictor's image is built by the cluster kit only")
    told = json.loads(_run("go", "mod", "download", "-json", KSERVE_SOURCE))
    server = folder / "sklearnserver"
    # Go's own copies are read-only.
    shutil.copytree(Path(told["Dir"]) / "python/sklearnserver/sklearnserver", server, copy_function=shutil.copyfile)
    shutil.copyfile(Path(__file__).parent / "stock_predictor/Dockerfile", folder / "Dockerfile")
    _run(str(Path(kit).resolve()), "build-image", str(folder), STOCK_IMAGE)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({', '.join(f'{each:.1f}' for each in seconds)})"
