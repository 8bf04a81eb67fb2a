# SPDX-License-Identifier: Apache-2.0
"""All peers at once, started when they are first asked for: they take turns, and an idle one costs nothing."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.answers import answers_rightly
from benchmarks.models import Model
from benchmarks.servers.mlserver import MLServer
from benchmarks.servers.portside import Portside
from benchmarks.servers.server import Peer, Server, started
from benchmarks.servers.stock_kserve import StockKServe


def peers() -> list[Peer]:
    """Return the servers that answer for models here, Portside first."""
    return [Portside(), StockKServe(), *([MLServer()] if MLServer.installed() else [])]


class Fleet:
    """Running servers, each with all of the models; ended with the fleet."""

    def __init__(self, stack: ExitStack, models: Sequence[Model], folder: Path) -> None:
        self._stack = stack
        self._models = models
        self._folder = folder
        self._servers: dict[str, Server] = {}

    def servers(self) -> Mapping[str, Server]:
        """Return the servers by name; started on the first call."""
        for peer in peers():
            if peer.name not in self._servers:
                running = started(peer, self._models, self._folder, answers_rightly)
                self._servers[peer.name] = self._stack.enter_context(running)
        return self._servers
