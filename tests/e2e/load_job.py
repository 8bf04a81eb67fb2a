# SPDX-License-Identifier: Apache-2.0
"""A load test as a Job inside the cluster: applied from the place's overlay, waited for, and its verdict read."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.kubernetes import Namespace, kubectl, poll
from tests.e2e.object_store import environ

#: Where a Job finds the SLO that it is given.
SLO = "/etc/loadtest/slo.yaml"

_MANIFESTS = Path(__file__).parents[2] / "manifests"
_JUDGE = "app.kubernetes.io/name=loadtest,app.kubernetes.io/component=judge"
_WORKERS = "app.kubernetes.io/name=loadtest,app.kubernetes.io/component=worker"
#: Beyond the time that requests take: pods start, workers join, figures are judged.
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class EndedJob:
    """What is left of a load test.

    Attributes:
        condition: "Complete" or "Failed".
        message: Why it failed; empty where it did not.
        exit_code: The judge's.
        verdict: What the judge's pod says as it ends, when that is a verdict.
        told: What it says, as text.
        log: What it has logged.
        judges: How many pods have judged.
    """

    condition: str
    message: str
    exit_code: int
    verdict: Mapping[str, Any]
    told: str
    log: str
    judges: int


def run_load_job(
    namespace: Namespace, folder: Path, *args: str, seconds: float, slo: str | None = None, workers: int = 0
) -> EndedJob:
    """Run a load test in a namespace of its own and return what it came to.

    Args:
        namespace: Where.
        folder: Where the kustomization is put.
        args: The user's part of the command line.
        seconds: How long requests arrive.
        slo: A file that is found at ``SLO``.
        workers: How many pods send besides the one that judges; none: it sends itself.
    """
    kustomization = _kustomization(namespace, folder, args, workers)
    if slo is not None:
        (folder / "slo.yaml").write_text(slo)
        kustomization["configMapGenerator"] = [{"name": "loadtest", "files": ["slo.yaml"]}]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kubectl("apply", "--kustomize", str(folder))
    ended = poll(_PATIENCE_SECONDS + seconds, "the load test to end", lambda: _ended(namespace))
    if workers:
        poll(_PATIENCE_SECONDS, "its workers to end", lambda: not _running(namespace, _WORKERS))
    return ended


def worker_exit_codes(namespace: Namespace) -> list[int]:
    """Return with what each worker has ended."""
    return [_terminated(pod)["exitCode"] for pod in _pods(namespace, _WORKERS)]


def _kustomization(namespace: Namespace, folder: Path, args: tuple[str, ...], workers: int) -> dict[str, Any]:
    container = "/spec/template/spec/containers/0"
    patches: list[tuple[str, str, object]] = [("loadtest.*", f"{container}/args", list(args))]
    if workers:
        patches += [
            ("loadtest", f"{container}/command/4", f"--expect-workers={workers}"),
            ("loadtest-workers", "/spec/parallelism", workers),
            # The kit's node has two cores, most of which others have asked for.
            ("loadtest.*", f"{container}/resources/requests/cpu", "50m"),
        ]
    return {
        "namespace": namespace.name,
        "resources": [_relative(_MANIFESTS / "loadtests/overlays/kind", folder)],
        "components": [_relative(_MANIFESTS / "components/loadtest-workers", folder)] if workers else [],
        "images": [{"name": "portside/loadtest", "newTag": "0.1.0"}],
        "secretGenerator": [
            {
                "name": "object-store",
                "literals": [f"{name}={value}" for name, value in environ().items() if name != "AWS_ENDPOINT_URL"],
                "options": {"disableNameSuffixHash": True},
            }
        ],
        "patches": [
            {
                "target": {"kind": "Job", "name": name},
                "patch": json.dumps([{"op": "replace", "path": path, "value": value}]),
            }
            for name, path, value in patches
        ],
    }


def _ended(namespace: Namespace) -> EndedJob | None:
    conditions = namespace.get("job", "loadtest")["status"].get("conditions", [])
    ends = [each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"]
    if not ends:
        return None
    (end,) = ends
    judges = _pods(namespace, _JUDGE)
    terminated = _terminated(judges[-1])
    told = terminated.get("message", "")
    return EndedJob(
        condition=end["type"],
        message=end.get("message", "") if end["type"] == "Failed" else "",
        exit_code=terminated["exitCode"],
        verdict=json.loads(told) if told.startswith("{") else {},
        told=told,
        log=namespace.log(judges[-1]["metadata"]["name"]),
        judges=len(judges),
    )


def _pods(namespace: Namespace, selector: str) -> list[dict[str, Any]]:
    words = ("--namespace", namespace.name, "--selector", selector, "--output", "json")
    found: list[dict[str, Any]] = json.loads(kubectl("get", "pods", *words))["items"]
    return found


def _running(namespace: Namespace, selector: str) -> bool:
    return any(pod["status"]["phase"] in ("Pending", "Running") for pod in _pods(namespace, selector))


def _terminated(pod: dict[str, Any]) -> dict[str, Any]:
    (status,) = pod["status"]["containerStatuses"]
    found: dict[str, Any] = status["state"]["terminated"]
    return found


def _relative(path: Path, folder: Path) -> str:
    """Return the path as kustomize takes it, which refuses absolute ones."""
    return os.path.relpath(path, folder.resolve())
