# SPDX-License-Identifier: Apache-2.0
"""The standard health service (grpc.health.v1): of the server and of each model, by name.

It keeps no statuses of its own. Each is read off the lifecycle and the models when it is asked for, so that health
never says anything but what they do, whichever protocol unloads a model.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from predictors.errors import ModelNotFoundError
from predictors.serving.endpoint import Origin
from predictors.serving.management import Management
from predictors.v2.messages import SERVICE
from predictors.v2.protobuf import parse_message

HEALTH: Final = "grpc.health.v1.Health"
#: Seconds within which those who watch hear of a model that was loaded or unloaded; of draining they hear at once.
_LOOK_EVERY: Final = 1.0


class Health:
    """Tells whether new requests are welcome."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Let those who watch look again at once."""
        self._changed.set()
        self._changed = asyncio.Event()

    def check(self, body: bytes, origin: Origin, arrived: int) -> bytes:  # noqa: ARG002 (every method's signature)
        """Return a service's status; ModelNotFoundError for one that is not here."""
        request: HealthCheckRequest = parse_message(HealthCheckRequest, body)
        return _told(self._status(request.service))

    async def watch(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Give a service's status, and again whenever it is another one; SERVICE_UNKNOWN for one that is not here."""
        request: HealthCheckRequest = parse_message(HealthCheckRequest, await anext(messages))
        last = None
        while True:
            changed = self._changed
            try:
                status = self._status(request.service)
            except ModelNotFoundError:
                status = HealthCheckResponse.SERVICE_UNKNOWN
            if status != last:
                yield _told(status)
                last = status
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await changed.wait()
            except TimeoutError:
                continue

    def _status(self, service: str) -> "HealthCheckResponse.ServingStatus":
        whole = service in {"", SERVICE, HEALTH}
        ready = self._management.is_ready() if whole else self._management.is_model_ready(service)
        return HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING


def _told(status: "HealthCheckResponse.ServingStatus") -> bytes:
    body: bytes = HealthCheckResponse(status=status).SerializeToString()
    return body
