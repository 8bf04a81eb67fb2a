# SPDX-License-Identifier: Apache-2.0
"""Every error raised on purpose: a request's fault carries its HTTP status, an artifact's names its file."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any


class PredictorError(Exception):
    """An error whose text may be shown to the caller.

    Attributes:
        status: The HTTP status that answers a request which met this error.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class InvalidRequestError(PredictorError):
    """The request cannot be understood or does not fit the model's signature (400)."""

    status = HTTPStatus.BAD_REQUEST


class ModelNotFoundError(PredictorError):
    """No model, or no such version of it, is served here (404)."""

    status = HTTPStatus.NOT_FOUND


class RequestTooLargeError(PredictorError):
    """The request's body is over the limit (413)."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedEncodingError(PredictorError):
    """The request's body comes in a content encoding that is not understood here (415)."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class QueueFullError(PredictorError):
    """As many requests wait for the model as may (429); the client should come again a moment later."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class NotReadyError(PredictorError):
    """The model is not loaded, or not any more (503)."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class DeadlineError(PredictorError):
    """The time that the request had is over (504)."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class ArtifactError(PredictorError):
    """A model artifact, or the file it is made from, cannot be trusted or used; the text names the file."""


class PackingError(PredictorError):
    """A model and its sample cannot be made into an artifact; the text says what to change."""


class SettingsError(PredictorError):
    """A setting is unknown or has a value that cannot be used; the text names it and never prints a secret."""


def quoted_names(names: Iterable[object]) -> str:
    """Return names as an error lists them: each in double quotes, in the order given."""
    return ", ".join(f'"{name}"' for name in names)


def fault_sentence(fault: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors as an error tells it: the place in the document, and what is wrong there."""
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
