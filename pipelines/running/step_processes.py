# SPDX-License-Identifier: Apache-2.0
"""The steps of a run as processes on this machine, forked from a server of its own; see ``step_server``."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import PipelineError


class StepProcesses:
    """Starts steps, one after the other."""

    def __init__(self, server: "subprocess.Popen[str]") -> None:
        self._server = server

    def run(self, words: list[str], log: Path) -> int:
        """Run ``python -m pipelines`` to its end and return its exit code, negative where a signal ended it.

        Args:
            words: What stands after ``python -m pipelines``.
            log: Takes what the step prints.

        Raises:
            PipelineError: The server that steps are forked from has died.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        if self._server.stdin is None or self._server.stdout is None:
            raise TypeError("the server was started without pipes")
        try:
            self._server.stdin.write(json.dumps({"words": words, "log": str(log)}) + "\n")
            self._server.stdin.flush()
            return int(self._server.stdout.readline())
        except (BrokenPipeError, ValueError) as err:
            raise PipelineError("the process that steps are started from has died; start the run again") from err


@contextmanager
def step_processes(environ: Mapping[str, str]) -> Iterator[StepProcesses]:
    """Give the run's steps a server, which an interrupted run does not leave behind.

    Args:
        environ: Added to this process's environment.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.running.step_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    ) as server:
        try:
            yield StepProcesses(server)
        except BaseException:
            server.terminate()
            raise
