# SPDX-License-Identifier: Apache-2.0
"""Processes that claim a model together, forked from one that has imported all they need."""

import multiprocessing
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pipelines.registry import open_registry
from pipelines.running.claims import Claims

#: Their run is over, they say when they find it.
DEAD: Final = "dead"
_SECONDS: Final = 60


def race(root: str, processes: int) -> list[tuple[str, bool]]:
    """Return for each process which run counts, and whether it is its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "s3fs"])
    line = context.Barrier(processes)
    with context.Pool(processes, _remember, (line, dict(os.environ))) as pool:
        asked = [pool.apply_async(_claim, (root, f"run-{number}")) for number in range(processes)]
        return [each.get(_SECONDS) for each in asked]


_line: Any = None


def _remember(line: Any, environ: Mapping[str, str]) -> None:
    global _line  # noqa: PLW0603 (a pool's process has nothing else to keep it in)
    _line = line
    os.environ.update(environ)


def _claim(root: str, run: str) -> tuple[str, bool]:
    claims = Claims(open_registry(root).records, "spam", limit=timedelta(hours=1))
    _line.wait(_SECONDS)
    claim = claims.take(run, f"alert of {run}", {}, lambda held: held.run == DEAD)
    return claim.run, claim.mine
