# SPDX-License-Identifier: Apache-2.0
"""V1, answered by KServe's own app, which is imported with the first V1 request.

KServe takes seconds to import and a hundred megabytes of memory, and most clients never speak V1: V2 does not wait for
it. The import runs in a thread, and other requests are answered meanwhile.
"""

import asyncio
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from predictors.serving.models import Models

_log = logging.getLogger(__name__)

_App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class V1App:
    """KServe's app, made when it is first needed."""

    def __init__(self, models: Models) -> None:
        """Answer for these models.

        Args:
            models: The models.
        """
        self._models = models
        self._making: asyncio.Future[_App] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._making is None:
            _log.info("first V1 request: loading KServe")
            self._making = asyncio.get_running_loop().run_in_executor(None, _kserve_app, self._models)
        app = await asyncio.shield(self._making)
        await app(scope, receive, send)


def _kserve_app(models: Models) -> _App:
    # KServe reads the command line when it is imported; ours is not for it.
    del sys.argv[1:]
    # KServe 0.21 uses a response class that FastAPI has since declared obsolete; its operator can do nothing.
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
    import kserve
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from kserve.protocol.rest.server import RESTServer
    from starlette.exceptions import HTTPException

    from predictors.errors import PredictorError, fault_sentence
    from predictors.predictor import Predictor

    async def http_error(_: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    async def validation_error(_: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": fault_sentence(error.errors()[0])}, 400)

    async def refusal(_: Request, error: Any) -> JSONResponse:
        headers = {"retry-after": "1"} if error.status in {429, 503} else None
        return JSONResponse({"error": str(error)}, int(error.status), headers=headers)

    logging.getLogger("kserve").setLevel(logging.WARNING)
    server = kserve.ModelServer(workers=1, enable_grpc=False, enable_latency_logging=False)
    for name in models.known:
        server.register_model(Predictor(name, models))
    RESTServer("kserve.model_server:app", server.dataplane, server.model_repository_extension, 0).create_application()
    app: Any = kserve.model_server.app
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(PredictorError, refusal)
    kserve.logging.logger.addFilter(_ClientFaults())
    made: _App = app
    return made


class _ClientFaults(logging.Filter):
    """Drops KServe's tracebacks of a client's faults: the client is told, and its operator can do nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        from kserve.errors import InvalidInput, ModelNotFound

        from predictors.errors import PredictorError

        return not (record.exc_info and isinstance(record.exc_info[1], (InvalidInput, ModelNotFound, PredictorError)))
