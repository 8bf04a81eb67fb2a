# SPDX-License-Identifier: Apache-2.0
"""The controller of rollouts as it runs on the cluster."""

import json
import os
import signal
from contextlib import suppress
from typing import Final

from tests.e2e.kubernetes import kubectl
from tests.e2e.pods import server_process

_NAMESPACE: Final = "portside-system"
_SELECTOR: Final = ("--namespace", _NAMESPACE, "--selector", "app.kubernetes.io/name=rollouts")


def restart_controller() -> None:
    """Have the controller run the image as it is now, which may be another one of the same name than it was."""
    words = ("deployment/rollouts", "--namespace", _NAMESPACE)
    kubectl("rollout", "restart", *words)
    kubectl("rollout", "status", *words, "--timeout", "50s")


def delete_controller() -> None:
    """Delete the controller's pod without waiting for its end; it may still give its Lease back."""
    kubectl("delete", "pod", *_SELECTOR, "--grace-period=0", "--force", "--wait=false")


def kill_controller() -> None:
    """Kill the controller's process without a word to it, so that its Lease has to run out.

    Where the cluster's node is another machine, its pod is deleted instead.
    """
    pods = json.loads(kubectl("get", "pods", *_SELECTOR, "--output", "json"))["items"]
    processes = [server_process(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    for process in processes:
        if process is not None:
            # Another test may have killed it in between.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    if None in processes:
        delete_controller()


def controller_log() -> str:
    """Return the end of the controller's log, and what the cluster tells of its pods."""
    pods = kubectl("get", "pods", *_SELECTOR, "--output", "wide", check=False)
    return f"{pods}\n{kubectl('logs', *_SELECTOR, '--tail', '200', check=False)}"
