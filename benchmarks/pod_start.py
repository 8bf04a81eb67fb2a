# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m benchmarks.pod_start``: how soon a new predictor pod is ready, beside KServe's own server.

Both load the same model from the same store, on the cluster of the place "kind" that $KUBECONFIG names, with the
platform installed. $CLUSTER_KIT names the cluster kit, which builds the stock predictor's image.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import predictors
from benchmarks.errors import BenchmarkError, UsageError
from benchmarks.report import table
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.object_store import publish, upload
from tests.e2e.pods import NAMESPACE, is_ready, pods_of

#: KServe's server for scikit-learn is on no package index; its module for Go is the whole repository.
_KSERVE_SOURCE: Final = "github.com/kserve/kserve@v0.20.0"
_STOCK_IMAGE: Final = "stock/sklearnserver:0.21.0"
_STOCK_RUNTIME: Final = "stock-sklearn"
_DOCKERFILE: Final = Path(__file__).parent / "servers/stock-sklearnserver.Dockerfile"
_ROUNDS: Final = 5
_READY_SECONDS: Final = 180
_BUILD_SECONDS: Final = 900
_RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
_RESTRICTED: Final = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def main() -> None:
    """Take pods away from both services in turns, and print how long the next ones take."""
    kit = os.environ.get("CLUSTER_KIT")
    if kit is None or "KUBECONFIG" not in os.environ:
        raise UsageError("name the cluster: KUBECONFIG its access, CLUSTER_KIT the kit's command")
    ours: list[float] = []
    stock: list[float] = []
    with tempfile.TemporaryDirectory(prefix="portside-pod-start-") as temporary:
        click.echo("pod start: fitting, packing, publishing, building the stock predictor's image", err=True)
        _publish(Path(temporary))
        _build_stock_image(Path(kit).resolve(), Path(temporary) / "image")
    with _stock_runtime(), _service("start-portside", _portside()), _service("start-stock", _stock()):
        # In turns, so that a busy moment of the machine meets both.
        for number in range(1, _ROUNDS + 1):
            click.echo(f"pod start: round {number} of {_ROUNDS}", err=True)
            ours.append(_seconds_to_ready("start-portside"))
            stock.append(_seconds_to_ready("start-stock"))
    rows = [_row("stock KServe", stock, stock), _row("Portside", ours, stock)]
    click.echo(table(("a new pod, from creation to Ready", "seconds, median", "range", "ratio"), rows))


def _row(who: str, taken: list[float], stock: list[float]) -> tuple[str, str, str, str]:
    median = statistics.median(taken)
    return who, f"{median:.1f}", f"{min(taken):.1f} to {max(taken):.1f}", f"{median / statistics.median(stock):.2f}x"


def _publish(folder: Path) -> None:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    publish(predictors.pack(model, rows, name="iris", version="1.0.0", out=folder))
    joblib.dump(model, folder / "model.joblib")
    upload(folder / "model.joblib", "stock/iris/model.joblib")


def _seconds_to_ready(service: str) -> float:
    """Delete the service's pod and return how long the next one takes."""
    (old,) = pods_of(service)
    kubectl("delete", "pod", old, "--namespace", NAMESPACE, "--grace-period=1", "--wait=false")
    poll(_READY_SECONDS, "a new pod", lambda: old not in pods_of(service) and len(pods_of(service)) == 1)
    begin = time.monotonic()
    poll(_READY_SECONDS, f"the pod of {service} to be ready", lambda: _all_ready(service))
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
        poll(_READY_SECONDS, f"{name} to be ready", lambda: _all_ready(name))
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
        "runtime": _STOCK_RUNTIME,
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
        "image": _STOCK_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "securityContext": _RESTRICTED,
    }
    formats = [{"name": "sklearn", "version": "1", "autoSelect": False}]
    document = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": _STOCK_RUNTIME, "namespace": NAMESPACE},
        "spec": {"containers": [container], "protocolVersions": ["v1", "v2"], "supportedModelFormats": formats},
    }
    kubectl("apply", "--filename", "-", stdin=json.dumps(document))
    try:
        yield
    finally:
        kubectl("delete", "servingruntime", _STOCK_RUNTIME, "--namespace", NAMESPACE)


def _build_stock_image(kit: Path, folder: Path) -> None:
    """Build KServe's server for scikit-learn from its published source and packages."""
    told = json.loads(_run("go", "mod", "download", "-json", _KSERVE_SOURCE))
    # Go's own copies are read-only.
    source = Path(told["Dir"]) / "python/sklearnserver/sklearnserver"
    shutil.copytree(source, folder / "sklearnserver", copy_function=shutil.copyfile)
    shutil.copyfile(_DOCKERFILE, folder / "Dockerfile")
    _run(str(kit), "build-image", str(folder), _STOCK_IMAGE)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as err:
        click.echo(f"pod start: {err}", err=True)
        sys.exit(2 if isinstance(err, UsageError) else 1)
