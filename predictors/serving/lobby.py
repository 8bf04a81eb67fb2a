# SPDX-License-Identifier: Apache-2.0
"""While models are loaded: a small server in a thread that tells whoever asks that it is alive and not ready yet."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.server import ServerState

from predictors.serving.fair_accept import FairListener
from predictors.serving.lifecycle import Lifecycle, Phase
from predictors.serving.management import Management
from predictors.serving.metrics.exposition import Metrics
from predictors.serving.models import Models
from predictors.serving.rest.contracts import app_for
from predictors.serving.rest.inference import RestInference

if TYPE_CHECKING:
    from predictors.vertex.contract import Contract

#: At the end: how long clients that are connected may take to send their request, in seconds.
_PATIENCE: Final = 0.5
_LOOK_EVERY: Final = 0.005


@contextlib.contextmanager
def lobby(listening: socket.socket, contract: "Contract | None" = None) -> Iterator[None]:
    """Answer on the socket until the block ends; the socket stays open, and who comes next waits in its queue.

    The thread is gone when the block is left, so that a process may be forked behind it.

    Args:
        listening: The socket.
        contract: What Vertex AI asks of the server; None where it is not there.
    """
    answering = _Lobby(listening, contract)
    thread = threading.Thread(target=lambda: asyncio.run(answering.run()), name="lobby")
    thread.start()
    try:
        yield
    finally:
        answering.close()
        thread.join()


class _Lobby:
    """Answers one request on each connection: the server that comes next cannot know of those that are kept."""

    def __init__(self, listening: socket.socket, contract: "Contract | None") -> None:
        self._listening = listening
        self._state = ServerState()
        self._state.default_headers = [(b"connection", b"close")]
        self._config = uvicorn.Config(_app(contract), ws="none", lifespan="off", access_log=False, log_config=None)
        self._config.load()
        self._running = threading.Event()

    async def run(self) -> None:
        """Answer until the lobby is closed, and then those who are there already."""
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        listener = FairListener(self._listening, self._protocol)
        self._running.set()
        await self._over.wait()
        listener.close()
        await listener.wait_closed()
        end = self._loop.time() + _PATIENCE
        while self._state.connections and self._loop.time() < end:
            await asyncio.sleep(_LOOK_EVERY)
        for connection in list(self._state.connections):
            connection.shutdown()

    def close(self) -> None:
        """Ask the lobby to end."""
        self._running.wait()
        self._loop.call_soon_threadsafe(self._over.set)

    def _protocol(self) -> asyncio.Protocol:
        protocol: Callable[..., asyncio.Protocol] = self._config.http_protocol_class
        return protocol(config=self._config, server_state=self._state, app_state={})


def _app(contract: "Contract | None") -> Any:
    models, lifecycle, nobody = Models([]), Lifecycle(Phase.LOADING), ThreadPoolExecutor(1)
    app = app_for(contract, nobody, max_body_bytes=0, inline_body_bytes=0)(
        models,
        lifecycle,
        Management(models, lifecycle, nobody),
        RestInference(nobody, max_body_bytes=0, inline_body_bytes=0),
        Metrics(tuple),
        max_body_bytes=0,
    )

    async def after_its_body(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        # A connection that is closed with something unread is reset, and the client may never see the answer.
        while (await receive()).get("more_body"):
            pass
        await app(scope, receive, send)

    return after_its_body
