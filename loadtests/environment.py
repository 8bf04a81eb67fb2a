# SPDX-License-Identifier: Apache-2.0
"""The machine that a load test ran on, as far as it explains the figures."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

_PACKAGES: Final = ("portside", "locust", "gevent", "geventhttpclient", "grpcio", "hdrhistogram")
_CGROUP: Final = Path("/sys/fs/cgroup")


def describe_environment() -> dict[str, str | float | None]:
    """Return processor, memory, limits, load and versions; None for what this system does not tell."""
    return {
        "processor": _processor(),
        "cores": float(os.cpu_count() or 0),
        "cores allowed": float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else None,
        "container processor limit (cores)": _container_cores(),
        "memory (bytes)": float(psutil.virtual_memory().total),
        "container memory limit (bytes)": _number(_read(_CGROUP / "memory.max")),
        "load average (1 min)": os.getloadavg()[0],
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str | None:
    lines = (_read(Path("/proc/cpuinfo")) or "").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or None)


def _container_cores() -> float | None:
    limit, _, period = (_read(_CGROUP / "cpu.max") or "").strip().partition(" ")
    allowed, of = _number(limit), _number(period)
    return allowed / of if allowed and of else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:  # "max": there is no limit
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
