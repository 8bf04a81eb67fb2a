# SPDX-License-Identifier: Apache-2.0
"""While models are loaded: a small server in a thread that tells whoever asks that it is alive and not ready yet."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from predictors.serving.lifecycle import Lifecycle, Phase
from predictors.serving.management import Management
from predictors.serving.metrics import Metrics
from predictors.serving.models import Models
from predictors.serving.rest import RestInference
from predictors.serving.v2_app import V2App


@contextlib.contextmanager
def lobby(listening: socket.socket) -> Iterator[None]:
    """Answer on the socket until the block ends; the socket stays open, and who comes next waits in its queue.

    The thread is gone when the block is left, so that a process may be forked behind it.
    """
    models, lifecycle, nobody = Models([]), Lifecycle(Phase.LOADING), ThreadPoolExecutor(1)
    app = V2App(
        models,
        lifecycle,
        Management(models, lifecycle, nobody),
        RestInference(nobody, max_body_bytes=0, inline_body_bytes=0),
        Metrics(tuple),
        max_body_bytes=0,
    )
    server = _Lobby(
        uvicorn.Config(
            app, loop="asyncio", ws="none", lifespan="off", access_log=False, log_config=None, server_header=False,
            timeout_graceful_shutdown=1,
        )
    )  # fmt: skip
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening.dup()])), name="lobby")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class _Lobby(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Only the main thread hears signals.
        yield
