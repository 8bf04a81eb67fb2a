# SPDX-License-Identifier: Apache-2.0
"""The service's methods beside ModelInfer: health, metadata, statistics, and the model repository."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]

from predictors.serving.endpoint import Origin
from predictors.serving.grpc.call import Unary
from predictors.serving.management import Management
from predictors.v2.messages import message_class
from predictors.v2.protobuf import parse_message

#: From a request's message to the answer's, as the dictionary that REST would send.
_Answer: TypeAlias = Callable[[Any], Awaitable[dict[str, Any]]]


class GrpcMethods:
    """Answers them for a server's models."""

    def __init__(self, management: Management) -> None:
        """Answer as the management of the models does."""
        self._management = management

    def handlers(self) -> dict[str, Unary]:
        """Return the methods by their names."""
        return {
            "ServerLive": _handler("ServerLive", self._server_live),
            "ServerReady": _handler("ServerReady", self._server_ready),
            "ServerMetadata": _handler("ServerMetadata", self._server_metadata),
            "ModelReady": _handler("ModelReady", self._model_ready),
            "ModelMetadata": _handler("ModelMetadata", self._model_metadata),
            "ModelStatistics": _handler("ModelStatistics", self._model_statistics),
            "RepositoryIndex": _handler("RepositoryIndex", self._repository_index),
            "RepositoryModelLoad": _handler("RepositoryModelLoad", self._load),
            "RepositoryModelUnload": _handler("RepositoryModelUnload", self._unload),
        }

    async def _server_live(self, _: Any) -> dict[str, Any]:
        return {"live": True}

    async def _server_ready(self, _: Any) -> dict[str, Any]:
        return {"ready": self._management.is_ready()}

    async def _server_metadata(self, _: Any) -> dict[str, Any]:
        return self._management.server_metadata()

    async def _model_ready(self, request: Any) -> dict[str, Any]:
        return {"ready": self._management.is_model_ready(request.name, request.version or None)}

    async def _model_metadata(self, request: Any) -> dict[str, Any]:
        return self._management.metadata(request.name, request.version or None)

    async def _model_statistics(self, request: Any) -> dict[str, Any]:
        return self._management.statistics(request.name or None, request.version or None)

    async def _repository_index(self, request: Any) -> dict[str, Any]:
        return {"models": [m for m in self._management.index() if m["state"] == "READY" or not request.ready]}

    async def _load(self, request: Any) -> dict[str, Any]:
        name = request.model_name or request.repository_name
        await self._management.load(name)
        return {"model_name": name, "isLoaded": True}

    async def _unload(self, request: Any) -> dict[str, Any]:
        name = request.model_name or request.repository_name
        self._management.unload(name)
        return {"model_name": name, "isUnloaded": True}


def _handler(method: str, answer: _Answer) -> Unary:
    request_class, response_class = message_class(f"{method}Request"), message_class(f"{method}Response")

    async def handle(body: bytes, origin: Origin, arrived: int) -> bytes:  # noqa: ARG001 (every method's signature)
        document = await answer(parse_message(request_class, body))
        response: bytes = ParseDict(document, response_class()).SerializeToString()
        return response

    return handle
