# SPDX-License-Identifier: Apache-2.0
"""Kubernetes for tests, through ``kubectl``: a namespace for each test, and waiting with a deadline."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.2
_COMMAND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace, in which Pod Security ``restricted`` is in force.

    Attributes:
        name: Its name.
    """

    name: str

    def create(self, *objects: Mapping[str, Any]) -> None:
        """Create objects in it."""
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        # Not "apply": its annotation holds the whole object, which a ConfigMap of model files outgrows.
        kubectl("create", "--namespace", self.name, "--filename", "-", stdin=json.dumps(items))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        found: dict[str, Any] = json.loads(kubectl("get", kind, name, "--namespace", self.name, "--output", "json"))
        return found

    def log(self, pod: str) -> str:
        """Return what a pod has logged."""
        return kubectl("logs", pod, "--namespace", self.name)

    def dump(self) -> None:
        """Print all that tells why a test failed: the pods, their logs, and the events."""
        pods = kubectl("get", "pods", "--namespace", self.name, "--output", "name", check=False).split()
        commands: list[Sequence[str]] = [
            ("get", "pods,services", "--output", "wide"),
            ("get", "events", "--sort-by", ".lastTimestamp"),
            *(("logs", pod, "--all-containers", "--tail", "200") for pod in pods),
        ]
        for words in commands:
            told = kubectl(*words, "--namespace", self.name, check=False)
            print(f"--- kubectl {' '.join(words)}\n{told}", file=sys.stderr)


@contextmanager
def restricted_namespace() -> Iterator[Namespace]:
    """Make a namespace and delete it when the block ends; when the block fails, show what happened in it."""
    namespace = Namespace(f"portside-e2e-{uuid.uuid4().hex[:8]}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name, "labels": labels}}
    kubectl("create", "--filename", "-", stdin=json.dumps(document))
    try:
        # Pods are refused until the controller manager has made the account that they run under.
        poll(30, "the default service account", lambda: _has_account(namespace))
        yield namespace
    except BaseException:
        namespace.dump()
        raise
    finally:
        kubectl("delete", "namespace", namespace.name, "--wait=false")


def poll(seconds: float, what: str, found: Callable[[], T | None]) -> T:
    """Return the first result that is neither None, False nor empty; TimeoutError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(_POLL_SECONDS)


def kubectl(*words: str, stdin: str = "", check: bool = True) -> str:
    """Return what ``kubectl`` writes; AssertionError with its complaint when it fails and that matters."""
    done = subprocess.run(
        ["kubectl", *words], input=stdin, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else done.stderr


def _has_account(namespace: Namespace) -> bool:
    words = ("get", "serviceaccount", "default", "--namespace", namespace.name, "--ignore-not-found")
    return bool(kubectl(*words))
