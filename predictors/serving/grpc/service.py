# SPDX-License-Identifier: Apache-2.0
"""The gRPC server: the Open Inference Protocol's service, health and reflection, on the event loop of REST."""

import asyncio
import socket
from concurrent.futures import Executor

from predictors.serving.fair_accept import FairListener
from predictors.serving.grpc.call import Service
from predictors.serving.grpc.connection import GrpcConnection
from predictors.serving.grpc.health import HEALTH, Health
from predictors.serving.grpc.inference import GrpcInference
from predictors.serving.grpc.methods import GrpcMethods
from predictors.serving.grpc.reflection import NAMES, reflect
from predictors.serving.management import Management
from predictors.serving.models import Models
from predictors.serving.settings import Settings
from predictors.v2.messages import SERVICE


class GrpcServer:
    """Answers gRPC for a server's models."""

    def __init__(self, models: Models, management: Management, executor: Executor, settings: Settings) -> None:
        """Prepare to answer.

        Args:
            models: The models.
            management: Answers what is asked of them besides inference.
            executor: Threads for what must not hold the event loop.
            settings: The limits.
        """
        self._health = Health(management)
        inference = GrpcInference(models, executor, inline_body_bytes=settings.inline_body_bytes)
        methods = GrpcMethods(management).handlers()
        self._service = Service(
            unary={
                f"/{SERVICE}/ModelInfer": inference.infer,
                **{f"/{SERVICE}/{name}": method for name, method in methods.items()},
                f"/{HEALTH}/Check": self._health.check,
            },
            streaming={
                f"/{HEALTH}/Watch": self._health.watch,
                **{f"/{name}/ServerReflectionInfo": reflect for name in NAMES},
            },
            executor=executor,
            max_message_bytes=settings.max_body_bytes,
        )
        self._connections: set[GrpcConnection] = set()
        self._lost = asyncio.Event()
        self._server: asyncio.Server | FairListener | None = None

    async def start(self, listening: socket.socket, *, one_of_several: bool) -> None:
        """Answer who connects, from the event loop that runs now.

        Args:
            listening: The socket.
            one_of_several: Whether other workers accept from it too.
        """

        def connection() -> GrpcConnection:
            return GrpcConnection(self._service, self._connections, self._lost.set)

        if one_of_several:
            self._server = FairListener(listening, connection)
        else:
            self._server = await asyncio.get_running_loop().create_server(connection, sock=listening)

    def drain(self) -> None:
        """Tell clients that the lifecycle's phase is another one: watched health changes, and connections are left."""
        self._health.tell()
        for connection in self._connections:
            connection.leave()

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and return when those in flight are answered, or after so many seconds."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.leave()
            connection.end_streaming()
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._lost.clear()
                    await self._lost.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
