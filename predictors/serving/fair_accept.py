# SPDX-License-Identifier: Apache-2.0
"""Accepting connections one at a time, so that workers on one listening socket share them evenly.

An event loop's own server accepts all that wait whenever it wakes up, and the worker that happens to wake first gets
them all. Here each worker takes one and goes back to its loop: one that is busy comes less often.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

#: How long to wait when the process has no file descriptors left.
_PAUSE_SECONDS: Final = 1.0


class FairListener:
    """Accepts for one worker until it is closed; stands where uvicorn has an ``asyncio.Server``."""

    def __init__(self, listening: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Begin to accept; the event loop must be running.

        Args:
            listening: The socket, shared with other workers.
            make_protocol: Makes what answers on a connection.
        """
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make_protocol = make_protocol
        self._connecting: set[asyncio.Task[object]] = set()
        self._open = True
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Stop accepting; what was accepted goes on."""
        self._open = False
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Wait for connections that are just being made."""
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker took it, or its client is gone
        except OSError:
            _log.exception("cannot accept connections; trying again in %g s", _PAUSE_SECONDS)
            self._loop.remove_reader(self._listening)
            self._loop.call_later(_PAUSE_SECONDS, self._resume)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connecting = self._loop.create_task(self._loop.connect_accepted_socket(self._make_protocol, connection))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._listening, self._accept)
