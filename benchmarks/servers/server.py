# SPDX-License-Identifier: Apache-2.0
"""A server process from its start to its first right answer, and to its end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from benchmarks.errors import BenchmarkError
from benchmarks.machine import SERVER_CORE, on_cores
from benchmarks.models import Model

_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 15
_POLL_SECONDS: Final = 0.01
_LAST_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Ports:
    """The free ports a server gets; what it has no use for stays free."""

    http: int
    grpc: int
    metrics: int


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started.

    Attributes:
        words: The command.
        folder: Its working directory; None for this process's own.
        environ: Variables besides this process's own.
    """

    words: Sequence[str]
    folder: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """A kind of server."""

    @property
    def name(self) -> str:
        """What tables and JSON call it."""
        ...

    def command(self, models: Sequence[Model], ports: Ports, folder: Path) -> Command:
        """Return how to start it.

        Args:
            models: What it serves.
            ports: What it listens on.
            folder: An empty folder for what it needs.
        """
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        name: What tables and JSON call it.
        pid: Its process.
        ports: What it listens on.
        start_seconds: From the start of its process to its first right answer.
    """

    name: str
    pid: int
    ports: Ports
    start_seconds: float


@contextmanager
def started(
    peer: Peer,
    models: Sequence[Model],
    folder: Path,
    answers: Callable[[int, Model], bool],
    *,
    cores: str = SERVER_CORE,
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        peer: What to start.
        models: What it serves.
        folder: Where its files and its log go.
        answers: Whether the server on a port answers rightly for a model; asked until it does for each.
        cores: The cores it is kept to.

    Raises:
        BenchmarkError: It ended, or does not answer in time; the text has its last lines.
    """
    place = folder / peer.name.replace(" ", "-").lower()
    place.mkdir(parents=True, exist_ok=True)
    ports = _free_ports()
    command = peer.command(models, ports, place)
    log = place / "log.txt"
    with log.open("wb") as lines:
        begin = time.monotonic()
        process = subprocess.Popen(
            on_cores(cores, command.words),
            cwd=command.folder,
            env={**os.environ, **command.environ},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            for model in models:
                _wait(process, lambda model=model: answers(ports.http, model), peer.name, log)  # type: ignore[misc]
            yield Server(peer.name, process.pid, ports, time.monotonic() - begin)
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], holds: Callable[[], bool], name: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
            how = "ended" if process.poll() is not None else f"does not answer within {_START_SECONDS} s"
            raise BenchmarkError(f"{name} {how}: " + " | ".join(last))
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server with its children: they share a session of their own, so that nothing else is met."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_ports() -> Ports:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    try:
        return Ports(*(taken.getsockname()[1] for taken in sockets))
    finally:
        for taken in sockets:
            taken.close()
