# SPDX-License-Identifier: Apache-2.0
"""Locust as a program of its own: started for a plan, waited for, and asked what it measured."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Final

from loadtests.errors import LoadTestError
from loadtests.options import LoadOptions
from loadtests.plan import Plan
from loadtests.run import Run, reason_file

#: How long processes elsewhere may take to join, in seconds.
_JOIN_SECONDS: Final = 120
_MASTER_PORT: Final = 5557


@dataclass(frozen=True)
class Processes:
    """Which processes send the requests.

    Attributes:
        here: How many of this machine's; 1 is Locust's one process.
        elsewhere: How many join from elsewhere; with any, none of this machine sends.
        quiet: Whether only what went wrong is told while it runs.
    """

    here: int = 1
    elsewhere: int = 0
    quiet: bool = False

    def options(self) -> list[str]:
        """Return what Locust is told of it."""
        if self.elsewhere:
            return ["--master", f"--expect-workers={self.elsewhere}", f"--expect-workers-max-wait={_JOIN_SECONDS}"]
        if self.here > 1:
            port = _free_port()
            return [
                f"--processes={self.here}",
                "--master-bind-host=127.0.0.1",
                f"--master-bind-port={port}",
                f"--master-port={port}",
            ]
        return []


def run_plan(plan: Plan, processes: Processes, extra: Sequence[str] = ()) -> Run:
    """Run a plan to its end, or until the user ends it, and return what was measured.

    Args:
        plan: What to run.
        processes: Who sends.
        extra: More options of Locust's.

    Raises:
        LoadTestError: Locust could not run it; it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="portside-loadtest-") as folder:
        file = Path(folder, "run.json")
        code = _locust(
            [
                "--headless",
                "--only-summary",
                f"--locustfile={plan.suite.locustfile}",
                f"--host={plan.host}",
                "--skip-log-setup",
                f"--loglevel={'ERROR' if processes.quiet else 'INFO'}",
                "--exit-code-on-error=0",
                f"--run-file={file}",
                *_words(plan.options),
                *(
                    [f"--tags={' '.join(plan.tags)}"]
                    if len(plan.tags) == 1
                    else ["--tags", *plan.tags]
                    if plan.tags
                    else []
                ),
                *processes.options(),
                *extra,
            ]
        )
        if reason_file(file).exists():
            raise LoadTestError(reason_file(file).read_text(encoding="utf-8"))
        if not file.exists():
            raise LoadTestError(f"Locust ended with exit code {code} and has measured nothing; the lines above say why")
        return Run.read(file)


def work_for(leader: str, locustfile: Path) -> int:
    """Send requests for a run that a process elsewhere leads, until it ends the run; return Locust's exit code."""
    return _locust(
        [
            "--worker",
            f"--master-host={leader}",
            f"--master-port={_MASTER_PORT}",
            f"--locustfile={locustfile}",
            "--skip-log-setup",
            "--loglevel=INFO",
            "--exit-code-on-error=0",
        ]
    )


def _words(options: LoadOptions) -> Iterator[str]:
    for field in fields(options):
        value = getattr(options, field.name)
        if value is not None and field.name != "run_file":
            yield f"--{field.name.replace('_', '-')}={value}"


def _locust(words: Sequence[str]) -> int:
    command = [sys.executable, "-m", "locust", *words]
    # What Locust prints of its own, rounded to two digits, is not the result of the run.
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process,  # noqa: S603
        _passing_on(process),
    ):
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The terminal has told Locust too, which ends the run and writes what it has.
                continue


@contextmanager
def _passing_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let Locust end the run when this process is told to end."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
