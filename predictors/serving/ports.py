# SPDX-License-Identifier: Apache-2.0
"""Taking the ports before anything slow begins, so that a taken one is told at once."""

import socket
from dataclasses import dataclass

from predictors.errors import SettingsError
from predictors.serving.settings import Settings

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Ports:
    """The sockets of one server; workers share them, so that a client never waits at a worker that ended.

    Attributes:
        http: Listens for REST.
        grpc: Is bound for gRPC, and listens from ``listen`` on; None: no gRPC.
    """

    http: socket.socket
    grpc: socket.socket | None

    @property
    def http_port(self) -> int:
        """The REST port's number."""
        port: int = self.http.getsockname()[1]
        return port

    @property
    def grpc_port(self) -> int | None:
        """The gRPC port's number; None where there is no gRPC."""
        return None if self.grpc is None else self.grpc.getsockname()[1]

    def listen(self) -> None:
        """Let gRPC's clients in; until then they are refused at once, and need not wait for an answer.

        Raises:
            SettingsError: Another server, started at the same time, listens there by now.
        """
        if self.grpc is not None:
            try:
                self.grpc.listen(_BACKLOG)
            except OSError as err:
                host, port = self.grpc.getsockname()[:2]
                raise _taken("--grpc-port", host, port, err) from err

    def close(self) -> None:
        """Let go of both; a client that still comes is refused at once, unless another process has them too."""
        self.http.close()
        if self.grpc is not None:
            self.grpc.close()


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
        return Ports(http, _bind("--grpc-port", settings.host, settings.grpc_port))
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
        raise _taken(option, host, port, err) from err
    return bound


def _taken(option: str, host: str, port: int, err: OSError) -> SettingsError:
    reason = (err.strerror or str(err)).lower()
    return SettingsError(f"cannot listen on {host}:{port} ({reason}); choose another port with {option}")
