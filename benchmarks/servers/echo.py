# SPDX-License-Identifier: Apache-2.0
"""Two limits: what this machine's HTTP stack answers when nothing is parsed and nothing is scored."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from benchmarks.answers import post
from benchmarks.figures import ASGI_ECHO, PROTOCOL_ECHO
from benchmarks.models import Model
from benchmarks.requests import json_request
from benchmarks.servers.server import Command, Ports

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Echo:
    """A program that answers every request with its own body.

    Attributes:
        name: What tables and JSON call it.
        program: The file next to this one.
    """

    name: str
    program: str

    def command(self, models: Sequence[Model], ports: Ports, folder: Path) -> Command:  # noqa: ARG002 (needs neither)
        """Return the program with its port."""
        return Command([sys.executable, str(_FOLDER / self.program), str(ports.http)])


ASGI: Final = Echo(ASGI_ECHO, "echo_asgi.py")
PROTOCOL: Final = Echo(PROTOCOL_ECHO, "echo_protocol.py")


def echoes(port: int, model: Model) -> bool:
    """Return whether the server on a port answers a model's request with that very request."""
    request = json_request(model)
    try:
        return post(port, request) == (HTTPStatus.OK, request.body)
    except OSError:
        return False
