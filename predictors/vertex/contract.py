# SPDX-License-Identifier: Apache-2.0
"""What Vertex AI asks of a container that serves: port, routes and artifact, from its ``AIP_*`` variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from predictors.errors import SettingsError

PORT: Final = "AIP_HTTP_PORT"
HEALTH_ROUTE: Final = "AIP_HEALTH_ROUTE"
PREDICT_ROUTE: Final = "AIP_PREDICT_ROUTE"
STORAGE_URI: Final = "AIP_STORAGE_URI"
_ALWAYS: Final = (PORT, HEALTH_ROUTE, PREDICT_ROUTE)

_ROUTE: Final = re.compile(r"/[^\s?#]*")
_FOLDER: Final = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/.*)?")
_MOST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Contract:
    """How Vertex AI reaches the server.

    Attributes:
        http_port: Where it sends requests; 0 takes any free port.
        health_route: The path of its health checks (GET).
        predict_route: The path of its predictions (POST).
        storage_uri: The artifact's folder, ``gs://BUCKET/FOLDER``; None where the image holds it.
    """

    http_port: int
    health_route: str
    predict_route: str
    storage_uri: str | None


def contract_of(environ: Mapping[str, str]) -> Contract | None:
    """Return the contract that an environment asks for; None where this is not Vertex AI.

    Vertex AI sets more variables than these and may add others, so they are left alone.

    Args:
        environ: Its variables.

    Raises:
        SettingsError: A variable is missing or cannot be used; it is named, and its value never shown.
    """
    given = {name: environ.get(name, "") for name in (*_ALWAYS, STORAGE_URI)}
    if not any(given.values()):
        return None
    missing = [name for name in _ALWAYS if not given[name]]
    if missing:
        raise SettingsError(f"{missing[0]}: missing, though Vertex AI's other AIP_* variables are set; set all or none")
    port = given[PORT]
    if not (port.isascii() and port.isdigit() and int(port) <= _MOST_PORT):
        raise SettingsError(f"{PORT}: must be a port's number, 1 to {_MOST_PORT}")
    health, predict = (_route(name, given[name]) for name in (HEALTH_ROUTE, PREDICT_ROUTE))
    if predict == "/v2" or predict.startswith("/v2/"):
        raise SettingsError(f"{PREDICT_ROUTE}: paths below /v2 are the V2 protocol's; choose another, such as /predict")
    uri = given[STORAGE_URI].rstrip("/")
    if uri and not _FOLDER.fullmatch(uri):
        raise SettingsError(f"{STORAGE_URI}: must be a folder in Cloud Storage, gs://BUCKET/FOLDER")
    return Contract(int(port), health, predict, uri or None)


def _route(name: str, value: str) -> str:
    if not _ROUTE.fullmatch(value):
        raise SettingsError(f"{name}: must be a path that begins with /, without ? and #")
    return unquote(value)
