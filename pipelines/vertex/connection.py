# SPDX-License-Identifier: Apache-2.0
"""Vertex AI's API in one project and region, over HTTP, and what it refuses as one sentence each.

Google's REST transport is used throughout: pods and companies let HTTP through, and what is tested over HTTP is what
runs. The clients are those of ``google.cloud.aiplatform_v1``: they keep no global state and create no buckets.
"""

import concurrent.futures
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final

from pipelines.errors import PipelineError
from pipelines.vertex.names import check_project, check_region

#: Another address of the API, such as a private endpoint; with http:// it is asked without credentials.
ENDPOINT: Final = "VERTEX_API_ENDPOINT"
#: Seconds that one request may take; what takes longer is an operation that is waited for.
SECONDS: Final = 60.0
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_SERVICES: Final = "google.cloud.aiplatform_v1.services"
_LONGEST: Final = 600
_LOG_IN: Final = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
)


class Vertex:
    """Vertex AI in one project and region.

    Attributes:
        project: The project.
        region: The region.
        parent: The resource that everything here belongs to.
    """

    def __init__(self, project: str, region: str, environ: Mapping[str, str] = os.environ) -> None:
        """Name the place; nothing is imported and nobody asked yet.

        Args:
            project: A project's id or number.
            region: Such as ``europe-west4``.
            environ: May name another address of the API in ``VERTEX_API_ENDPOINT``.

        Raises:
            PipelineError: One of them is none.
        """
        self.project = check_project(project)
        self.region = check_region(region)
        self.parent = f"projects/{project}/locations/{region}"
        self._host = environ.get(ENDPOINT) or f"{region}-aiplatform.googleapis.com"

    @cached_property
    def pipelines(self) -> Any:
        """The client of pipeline jobs."""
        return self._client("pipeline_service", "PipelineService")

    @cached_property
    def schedules(self) -> Any:
        """The client of schedules."""
        return self._client("schedule_service", "ScheduleService")

    @cached_property
    def models(self) -> Any:
        """The client of the model registry."""
        return self._client("model_service", "ModelService")

    @cached_property
    def endpoints(self) -> Any:
        """The client of endpoints."""
        return self._client("endpoint_service", "EndpointService")

    @cached_property
    def predictions(self) -> Any:
        """The client of predictions."""
        return self._client("prediction_service", "PredictionService")

    def message(self, kind: str, document: Mapping[str, Any]) -> Any:
        """Return a message of the API from its JSON.

        Args:
            kind: Its type, such as ``UploadModelRequest``.
            document: The JSON, in the API's own spelling.

        Raises:
            PipelineError: The library does not know it so.
        """
        import json

        with self.told():
            types = _import("google.cloud.aiplatform_v1.types")
            return getattr(types, kind).from_json(json.dumps(document), ignore_unknown_fields=False)

    def wait(self, begun: Any, kind: str | None, seconds: float) -> Any:
        """Return the result of a long-running operation.

        Args:
            begun: The operation, as the library gives it.
            kind: The type of its result, such as ``UploadModelResponse``; None where it has none.
            seconds: After which it is cancelled.

        Raises:
            PipelineError: It failed, or is not done in time.
        """
        with self.told():
            types = _import("google.cloud.aiplatform_v1.types" if kind else "google.protobuf.empty_pb2")
            operation = _import("google.api_core.operation").from_gapic(
                begun.operation, self._operations, getattr(types, kind or "Empty")
            )
            try:
                return operation.result(timeout=seconds)
            except concurrent.futures.TimeoutError as err:
                operation.cancel()
                raise PipelineError(
                    f"Vertex AI is not done after {seconds:g} s, and was asked to give up {begun.operation.name}"
                ) from err

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn errors of Google's library into one sentence each."""
        api, auth = _import("google.api_core.exceptions"), _import("google.auth.exceptions")
        unreachable = (_import("requests").RequestException, api.RetryError)
        unreadable = _import("google.protobuf.json_format").ParseError
        try:
            yield
        except api.GoogleAPICallError as err:
            raise VertexError(f"Vertex AI refuses: {_sentence(err)}{self._hint(err.code)}", err.code) from err
        except auth.DefaultCredentialsError as err:
            raise PipelineError(f"there are no credentials for Google Cloud: {_LOG_IN}") from err
        except auth.GoogleAuthError as err:
            raise PipelineError(
                f"Google Cloud's credentials cannot be used ({_squeezed(str(err))}): {_LOG_IN}"
            ) from err
        except unreachable as err:
            raise PipelineError(
                f"{self._host} cannot be reached ({type(err).__name__}): is {self.region} a region of Vertex AI, and "
                "is this machine online?"
            ) from err
        except unreadable as err:
            raise PipelineError(f"Vertex AI's library cannot send this: {_squeezed(str(err))}") from err

    def _client(self, module: str, service: str) -> Any:
        found = _import(f"{_SERVICES}.{module}")
        transports = _import(f"{_SERVICES}.{module}.transports.rest")
        with self.told():
            transport = getattr(transports, f"{service}RestTransport")(host=self._host, credentials=self._credentials)
            return getattr(found, f"{service}Client")(transport=transport)

    @cached_property
    def _operations(self) -> Any:
        """The client of operations, at their documented paths; the library's own asks below /ui."""
        operations = _import("google.api_core.operations_v1")
        transport = operations.OperationsRestTransport(host=self._host, credentials=self._credentials, path_prefix="v1")
        return operations.AbstractOperationsClient(transport=transport)

    @cached_property
    def _credentials(self) -> Any:
        if self._host.startswith("http://"):
            # A token would be sent where anyone can read it.
            from google.auth.credentials import AnonymousCredentials

            return AnonymousCredentials()  # type: ignore[no-untyped-call]
        import google.auth

        return google.auth.default(scopes=_SCOPES)[0]

    def _hint(self, code: Any) -> str:
        if code == HTTPStatus.UNAUTHORIZED:
            return f"; {_LOG_IN}"
        if code == HTTPStatus.FORBIDDEN:
            return (
                "; the account needs roles/aiplatform.user in the project, and roles/iam.serviceAccountUser for a "
                "service account that is named"
            )
        if code == HTTPStatus.TOO_MANY_REQUESTS:
            return f"; look at the quotas of {self.project} in {self.region}"
        return ""


class VertexError(PipelineError):
    """Vertex AI refuses.

    Attributes:
        code: The HTTP status of its answer, or of an operation's fault; None where there was none.
    """

    def __init__(self, sentence: str, code: Any = None) -> None:
        super().__init__(sentence)
        self.code = None if code is None else int(code)


def _import(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as err:
        raise PipelineError("Vertex AI needs google-cloud-aiplatform: install portside[vertex]") from err


def _sentence(err: Any) -> str:
    """Return what the API said, without the request that Google's library puts before it."""
    try:
        return _squeezed(str(err.response.json()["error"]["message"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return _squeezed(str(err.message or err))


def _squeezed(text: str) -> str:
    plain = " ".join(text.split()).rstrip(".")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
