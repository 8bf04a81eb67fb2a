# SPDX-License-Identifier: Apache-2.0
"""Manifests of a pod that runs the serving image under Pod Security ``restricted``, on a read-only root."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODEL_DIR = "/mnt/models"
HTTP_PORT = 8080
GRPC_PORT = 8081
LABELS = {"app": "serving"}

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def read_files(artifact: Path) -> dict[str, bytes]:
    """Return the content of an artifact's files by their names."""
    return {path.name: path.read_bytes() for path in artifact.iterdir()}


def config_map(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the ConfigMap ``artifact`` with these files."""
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "artifact"}, "binaryData": data}


def serving_pod(image: str, model: str, files: Mapping[str, bytes], *, user: int | None = None) -> dict[str, Any]:
    """Return a pod that serves the files of the ConfigMap ``artifact`` as KServe would have it served.

    Args:
        image: The serving image.
        model: The name to serve under.
        files: The artifact's files.
        user: The uid to run as; None leaves it to the image.
    """
    # Each file is mounted by itself: a ConfigMap mounted whole is made of symbolic links, which artifacts must not be.
    mounts = [
        {"name": "artifact", "mountPath": f"{MODEL_DIR}/{name}", "subPath": name, "readOnly": True} for name in files
    ]
    probe = {"httpGet": {"path": f"/v2/models/{model}/ready", "port": HTTP_PORT}, "periodSeconds": 1}
    args = [
        f"--model_name={model}",
        f"--model_dir={MODEL_DIR}",
        f"--http_port={HTTP_PORT}",
        f"--grpc_port={GRPC_PORT}",
    ]
    container = {"args": args, "readinessProbe": probe, "volumeMounts": mounts}
    pod = plain_pod(image, container, user=user)
    pod["spec"]["volumes"] = [{"name": "artifact", "configMap": {"name": "artifact"}}]
    return pod


def plain_pod(image: str, container: Mapping[str, Any], *, user: int | None = None) -> dict[str, Any]:
    """Return the pod ``serving`` of one restricted container, which is not started again when it ends."""
    security = _RESTRICTED if user is None else {**_RESTRICTED, "runAsUser": user}
    given = {"name": "kserve-container", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "serving", "labels": LABELS},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "containers": [{**given, **container}],
        },
    }


def node_port_service() -> dict[str, Any]:
    """Return the Service ``serving``, whose ports ``http`` and ``grpc`` are reachable at 127.0.0.1."""
    ports = [{"name": "http", "port": HTTP_PORT}, {"name": "grpc", "port": GRPC_PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "serving"},
        "spec": {"type": "NodePort", "selector": LABELS, "ports": ports},
    }
