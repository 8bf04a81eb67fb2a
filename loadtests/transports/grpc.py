# SPDX-License-Identifier: Apache-2.0
"""Requests over gRPC, under gevent."""

from collections.abc import Callable
from functools import cache
from typing import Final

import grpc
from grpc.experimental.gevent import init_gevent

from loadtests.payloads.tensors import EncodedRequest
from loadtests.transports.address import THIS_MACHINE, host_and_port
from loadtests.transports.reply import LOST, NOT_GRPC, REFUSED, TIMEOUT, UNKNOWN_HOST, Reply

#: A server that was away and is back is found within a second.
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # What is measured is the server, not a proxy that the environment names.
    ("grpc.enable_http_proxy", 0),
)

#: What gRPC's library says itself where its code is UNAVAILABLE; a gateway that says it of its own server says other
#: sentences, and remains UNAVAILABLE.
_SAYINGS: Final = (
    ("failed to connect to remote host: connection refused", REFUSED),
    ("domain name not found", UNKNOWN_HOST),
    ("dns resolution failed", UNKNOWN_HOST),
    ("connection attempt timed out", TIMEOUT),
    ("failed parsing http/2", NOT_GRPC),
    ("recvmsg:", LOST),
    ("sendmsg:", LOST),
    ("socket closed", LOST),
)


class GrpcTransport:
    """Sends requests to one server over one connection; for any number of greenlets at once."""

    def __init__(self, target: str, *, timeout: float, connect_to: str | None = None) -> None:
        """Connect to nothing yet.

        Args:
            target: ``HOST:PORT``, without TLS. A host name that ends in ``.localhost`` is this machine.
            timeout: Seconds for a whole request.
            connect_to: The host to connect to in the place of the target's, which requests still name; the port stays.

        Raises:
            LoadTestError: The target is no such address.
        """
        host, port = host_and_port(target)
        if connect_to is None and host.endswith(".localhost"):
            connect_to = THIS_MACHINE
        _run_under_gevent()
        options = [*_OPTIONS, ("grpc.default_authority", target)]
        self._channel = grpc.insecure_channel(f"{connect_to}:{port}" if connect_to else target, options=options)
        self._timeout = timeout
        self._calls: dict[str, Callable[..., bytes]] = {}

    def send(self, encoded: EncodedRequest) -> Reply:
        """Send a request and return what comes of it."""
        call = self._calls.get(encoded.path)
        if call is None:
            call = self._calls[encoded.path] = self._channel.unary_unary(
                encoded.path, request_serializer=None, response_deserializer=None
            )
        try:
            return Reply("OK", body=call(encoded.body, timeout=self._timeout))
        except grpc.RpcError as err:
            return Reply(_code(err))

    def close(self) -> None:
        """Close the connection; requests under way come to nothing."""
        self._channel.close()


@cache
def _run_under_gevent() -> None:
    """Make gRPC wait by gevent's loop; once for a process, before the first channel."""
    init_gevent()


def _code(err: grpc.RpcError) -> str:
    code = err.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TIMEOUT
    if code is grpc.StatusCode.UNAVAILABLE:
        said = (err.details() or "").lower()
        return next((told for saying, told in _SAYINGS if saying in said), code.name)
    return str(code.name)
