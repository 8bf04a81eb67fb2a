# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from loadtests.errors import LoadTestError

#: Where host names that end in ``.localhost`` are, whatever a resolver says.
THIS_MACHINE: Final = "127.0.0.1"

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ServerUrl:
    """The URL of a server, in parts.

    Attributes:
        tls: Whether it is https.
        name: The host's name.
        port: Its port.
        prefix: The path that goes before V2's; "" or "/...".
    """

    tls: bool
    name: str
    port: int
    prefix: str

    @property
    def host_header(self) -> str:
        """The host as requests name it."""
        netloc = f"[{self.name}]" if ":" in self.name else self.name
        return netloc if self.port == _PORTS["https" if self.tls else "http"] else f"{netloc}:{self.port}"

    @property
    def host(self) -> str:
        """The host that is connected to."""
        return THIS_MACHINE if self.name.endswith(".localhost") else self.name


def parse_url(url: str) -> ServerUrl:
    """Return the parts of a server's URL.

    Raises:
        LoadTestError: It is no http or https URL of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    plain = url.isascii() and url.isprintable() and not set(" ?#@") & set(url)
    if not plain or port is None or parts.scheme not in _PORTS or not parts.hostname:
        raise LoadTestError(f"{url}: not the address of a server; write it like http://127.0.0.1:8080")
    return ServerUrl(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of ``HOST:PORT``; an IPv6 address stands in brackets.

    Raises:
        LoadTestError: It is no such address.
    """
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or set(address) & set("/?#@ "):
        raise LoadTestError(f"{address}: not the address of a server; write it HOST:PORT, such as 127.0.0.1:8080")
    return host, port
