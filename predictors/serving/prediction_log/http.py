# SPDX-License-Identifier: Apache-2.0
"""Prediction logs of CloudEvents: posted in batches to a URL."""

import base64
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from predictors.errors import SettingsError
from predictors.serving.prediction_log.record import event_of
from predictors.serving.prediction_log.sink import Sink, SinkError, reason_of

if TYPE_CHECKING:
    import http.client

_CONTENT_TYPE: Final = "application/cloudevents-batch+json"
_TIMEOUT_SECONDS: Final = 5.0
_MOST_ANSWER_BYTES: Final = 64 * 2**10


def http_sink(url: str) -> Callable[[], Sink]:
    """Return what makes a process's sink for a URL of http or https; nothing is sent yet.

    Raises:
        SettingsError: The URL cannot be used; the text shows no part of it.
    """
    return partial(_HttpSink, _endpoint(url))


class _Endpoint(NamedTuple):
    """A URL taken apart; only ``origin`` may be shown, the rest can hold secrets."""

    origin: str
    tls: bool
    host: str
    port: int | None
    path: str
    headers: dict[str, str]


class _HttpSink:
    """Posts batches of CloudEvents over one connection that is kept."""

    linger = 1.0
    encode = staticmethod(event_of)

    def __init__(self, endpoint: _Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: http.client.HTTPConnection | None = None

    def write(self, records: Sequence[bytes]) -> None:
        import http.client

        try:
            status = self._post(b"[%s]" % b",".join(records))
        except (OSError, http.client.HTTPException) as err:
            self.close()
            raise SinkError(f"{self._endpoint.origin}: {reason_of(err)}", passing=True) from err
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise SinkError(f"{self._endpoint.origin} answered {status}", passing=passing)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> int:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._endpoint.path, body, self._endpoint.headers)
        response = self._connection.getresponse()
        response.read(_MOST_ANSWER_BYTES)
        if not response.isclosed():
            # More follows, and the next request cannot be sent before all of it was read.
            self.close()
            response.close()
        return response.status

    def _connect(self) -> "http.client.HTTPConnection":
        import http.client

        kind = http.client.HTTPSConnection if self._endpoint.tls else http.client.HTTPConnection
        return kind(self._endpoint.host, self._endpoint.port, timeout=_TIMEOUT_SECONDS)


def _endpoint(url: str) -> _Endpoint:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Without the cause: its text may show a part of the URL, and so a password.
        raise SettingsError("the prediction log's URL has a host or port that cannot be read") from None
    if not host:
        raise SettingsError("the prediction log's URL has no host")
    if " " in url or not (url.isascii() and url.isprintable()):
        raise SettingsError("the prediction log's URL has characters that must be percent-encoded")
    headers = {"Content-Type": _CONTENT_TYPE, "User-Agent": "portside"}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    shown = f"[{host}]" if ":" in host else host
    return _Endpoint(
        origin=f"{parts.scheme}://{shown}" + (f":{port}" if port else ""),
        tls=parts.scheme == "https",
        host=host,
        port=port,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=headers,
    )
