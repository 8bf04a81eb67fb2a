# SPDX-License-Identifier: Apache-2.0
"""The machine of a run: which core each side gets, and a fingerprint of all that figures depend on."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

SERVER_CORE: Final = "0"
LOAD_CORE: Final = "1"
BOTH_CORES: Final = "0,1"
_PACKAGES: Final = ("kserve", "uvicorn", "uvloop", "httptools", "grpcio", "numpy", "scikit-learn", "onnxruntime")
_WATCH_SECONDS: Final = 1.0
_ROOT: Final = Path(__file__).parents[1]


def can_pin() -> bool:
    """Return whether processes can be kept to a core here: Linux with taskset and two cores."""
    return shutil.which("taskset") is not None and (os.cpu_count() or 1) > 1


def on_cores(cores: str, command: Sequence[str]) -> list[str]:
    """Return the command kept to these cores, where that can be done."""
    return ["taskset", "-c", cores, *command] if can_pin() else list(command)


def pin_this_process() -> None:
    """Keep this process, which polls servers while they start, off the servers' core."""
    if can_pin():
        os.sched_setaffinity(0, {int(LOAD_CORE)})


def others_share() -> float:
    """Return the share of this machine's cores that other work takes now, watched for a second."""
    return float(psutil.cpu_percent(_WATCH_SECONDS)) / 100


def fingerprint() -> Mapping[str, object]:
    """Return what the figures of a run depend on, besides the code measured."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "pinned": can_pin(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit, with ``+`` behind it when the work tree differs; None outside of a repository."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--short"], cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
