# SPDX-License-Identifier: Apache-2.0
"""Clients that ask a server without a pause, each on a connection that it keeps, and remember what went wrong."""

import http.client
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from tests.predictors.grpc_client import GrpcClient


class Client(threading.Thread):
    """One client.

    Attributes:
        answered: How many requests were answered with success.
        faults: What came instead of an answer.
    """

    def __init__(self, goes_on: Callable[[], bool]) -> None:
        super().__init__()
        self.answered = 0
        self.faults: list[str] = []
        self._goes_on = goes_on

    def run(self) -> None:
        while self._goes_on():
            try:
                self.ask()
                self.answered += 1
            except (OSError, http.client.HTTPException, grpc.RpcError) as err:
                self.faults.append(repr(err))
                self.begin_again()
        self.leave()

    def ask(self) -> None:
        """Send a request and read its answer; OSError when it is a refusal."""
        raise NotImplementedError

    def begin_again(self) -> None:
        """Leave the connection for a new one."""

    def leave(self) -> None:
        """Leave the connection."""


class RestClient(Client):
    """A client that posts a body."""

    def __init__(self, goes_on: Callable[[], bool], port: int, path: str, body: bytes) -> None:
        super().__init__(goes_on)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._path = path
        self._body = body

    @property
    def port(self) -> int:
        """Its end of the connection; 0 while there is none."""
        connected = self._connection.sock
        return 0 if connected is None else int(connected.getsockname()[1])

    def connect(self) -> None:
        """Connect anew, before the first request."""
        self._connection.close()
        self._connection.connect()

    def ask(self) -> None:
        self._connection.request("POST", self._path, self._body, {"content-type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"{response.status} {content!r}")

    def begin_again(self) -> None:
        self._connection.close()

    def leave(self) -> None:
        self._connection.close()


class RpcClient(Client):
    """A client that sends a ModelInferRequest."""

    def __init__(self, goes_on: Callable[[], bool], port: int, message: Any) -> None:
        super().__init__(goes_on)
        # A pool of its own: channels of one process would share a connection.
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._message = message

    def ask(self) -> None:
        GrpcClient(self._channel).infer(self._message)

    def leave(self) -> None:
        self._channel.close()


@contextmanager
def running(threads: Sequence[threading.Thread], stop: Callable[[], None]) -> Iterator[None]:
    """Run threads while the block does."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop()
        for thread in threads:
            thread.join()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has forked."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def clients_of(pid: int) -> set[int]:
    """Return the ports of all that are connected to a process over IPv4."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(file.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(line[2].split(":")[1], 16) for line in lines if f"socket:[{line[9]}]" in inodes}
