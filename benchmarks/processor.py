# SPDX-License-Identifier: Apache-2.0
"""The processor time of a process and its children."""

from typing import NamedTuple

import psutil


class ProcessorTime(NamedTuple):
    """Processor time of a process tree since its start, in seconds.

    Attributes:
        user: Outside of the kernel.
        system: Inside the kernel.
    """

    user: float
    system: float


def processor_time(pid: int) -> ProcessorTime:
    """Return the processor time of a process and all its children."""
    root = psutil.Process(pid)
    told = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return ProcessorTime(sum(times.user for times in told), sum(times.system for times in told))
