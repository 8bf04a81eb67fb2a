# SPDX-License-Identifier: Apache-2.0
"""The memory of a process and its children."""

from typing import NamedTuple

import psutil


class Memory(NamedTuple):
    """Memory of a process tree, in MB (10^6 bytes).

    Attributes:
        resident: What is resident, pages that processes share counted in each.
        proportional: Shared pages divided among all who share them (PSS); None where the system does not tell.
    """

    resident: float
    proportional: float | None


def memory_of(pid: int) -> Memory:
    """Return the memory of a process and all its children."""
    root = psutil.Process(pid)
    told = [process.memory_full_info() for process in (root, *root.children(recursive=True))]
    proportional = sum(info.pss for info in told) / 1e6 if all(hasattr(info, "pss") for info in told) else None
    return Memory(sum(info.rss for info in told) / 1e6, proportional)
