# SPDX-License-Identifier: Apache-2.0
"""What came of a request: an answer, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from loadtests.payloads.tensors import EncodedRequest

#: The codes where no answer came. Others are HTTP's statuses, and the names of gRPC's.
TIMEOUT = "timeout"
REFUSED = "connection refused"
LOST = "connection lost"
UNKNOWN_HOST = "unknown host"
TLS_FAILURE = "TLS failure"
NOT_HTTP = "not HTTP"
NOT_GRPC = "not gRPC"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply.

    Attributes:
        code: "200", "429", ... of HTTP, "OK", "UNAVAILABLE", ... of gRPC, or why there is none, such as "timeout".
        headers: HTTP's, their names in lower case.
        body: All of the body.
    """

    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the request was answered and not refused."""
        return self.code in ("200", "OK")


class Transport(Protocol):
    """Sends requests to one server, for any number of greenlets at once."""

    def send(self, encoded: EncodedRequest) -> Reply:
        """Send a request and return what comes of it; nothing that network or server do is raised."""

    def close(self) -> None:
        """Close what is open."""
