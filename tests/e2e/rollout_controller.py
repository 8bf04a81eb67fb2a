# SPDX-License-Identifier: Apache-2.0
"""The controller of rollouts as it runs on the cluster."""

from typing import Final

from tests.e2e.kubernetes import kubectl

_NAMESPACE: Final = "portside-system"
_SELECTOR: Final = ("--namespace", _NAMESPACE, "--selector", "app.kubernetes.io/name=rollouts")


def restart_controller() -> None:
    """Have the controller run the image as it is now, which may be another one of the same name than it was."""
    words = ("deployment/rollouts", "--namespace", _NAMESPACE)
    kubectl("rollout", "restart", *words)
    kubectl("rollout", "status", *words, "--timeout", "50s")


def kill_controller() -> None:
    """Kill the controller as a lost node would: without a word to it."""
    kubectl("delete", "pod", *_SELECTOR, "--grace-period=0", "--force", "--wait=false")


def controller_log() -> str:
    """Return the end of the controller's log, and what the cluster tells of its pods."""
    pods = kubectl("get", "pods", *_SELECTOR, "--output", "wide", check=False)
    return f"{pods}\n{kubectl('logs', *_SELECTOR, '--tail', '200', check=False)}"
