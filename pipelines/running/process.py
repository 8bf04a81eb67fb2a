# SPDX-License-Identifier: Apache-2.0
"""This process as others can name it: its machine, its number, and when it began, lest a later one be taken for it."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Of the fields of /proc/PID/stat behind the program's name: the state, and when the process began, in ticks since the
#: machine did.
_STATE, _BEGAN = 0, 19
#: Has ended, and nobody has asked how yet: in a container without an init process this may last.
_ZOMBIE: Final = "Z"


def this_process() -> dict[str, str]:
    """Return what ``is_gone`` must be told of this process."""
    return {"host": socket.gethostname(), "pid": str(os.getpid()), "began": _began(os.getpid())}


def is_gone(process: Mapping[str, str]) -> bool:
    """Return whether a process has surely ended: one of another machine never has.

    Args:
        process: As ``this_process`` told it.
    """
    if process.get("host") != socket.gethostname():
        return False
    pid = int(process["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # It is somebody else's, and so is none of ours unless that one runs Portside too.
        pass
    return _began(pid) != process["began"]


def _began(pid: int) -> str:
    """Return when a process that goes on began, as its system tells it; empty where that has no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[_STATE] == _ZOMBIE else fields[_BEGAN]
