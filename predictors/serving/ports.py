# SPDX-License-Identifier: Apache-2.0
"""Taking the ports before anything slow begins, so that a taken one is told at once."""

import socket
from dataclasses import dataclass

from predictors.errors import SettingsError
from predictors.serving.settings import Settings

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one server.

    Attributes:
        http: Listens for REST; workers share it, so a request never waits at one that ended.
        grpc: The gRPC port's number, found free; gRPC binds it itself, once in each worker. None: no gRPC.
    """

    http: socket.socket
    grpc: int | None

    @property
    def http_port(self) -> int:
        """The REST port's number."""
        port: int = self.http.getsockname()[1]
        return port


def take_ports(settings: Settings) -> Ports:
    """Return the ports that the settings ask for.

    Raises:
        SettingsError: One is taken, or this user may not have it.
    """
    http = _bind("--http-port", settings.host, settings.http_port)
    http.listen(_BACKLOG)
    if not settings.enable_grpc:
        return Ports(http, None)
    try:
        with _bind("--grpc-port", settings.host, settings.grpc_port) as probe:
            return Ports(http, probe.getsockname()[1])
    except SettingsError:
        http.close()
        raise


def _bind(option: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is; without it answers wait for 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as err:
        bound.close()
        raise SettingsError(
            f"cannot listen on {host}:{port} ({(err.strerror or str(err)).lower()}); choose another port with {option}"
        ) from err
    return bound
