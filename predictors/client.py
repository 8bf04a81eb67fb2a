# SPDX-License-Identifier: Apache-2.0
"""A small V2 client for the command line: one request, one answer, and a sentence when there is none."""

import json
import re
import time
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import orjson

from predictors.errors import PredictorError

_POLL_SECONDS: Final = 0.1
_LOOPBACK: Final = "127.0.0.1"
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class AskError(PredictorError):
    """The server refused the request, or did not answer; the text says which."""


def default_url(model: str) -> str:
    """Return where a model is asked unless told otherwise: on this machine, by a host name of its own where it has one.

    A server on this machine answers under any host name. The gateway of a local cluster tells its models apart by it.
    """
    host = f"{model}.localhost" if _DNS_LABEL.fullmatch(model) else _LOOPBACK
    return f"http://{host}:8080"


def ask(model: str, body: bytes, *, url: str | None, version: str | None, wait: float, timeout: float) -> bytes:
    """Return the body of a model's answer to a V2 request.

    Args:
        model: The model's name.
        body: The request, JSON.
        url: The server, such as ``http://127.0.0.1:8080``; None is ``default_url``. Over http, a host name that ends
            in ``.localhost`` is this machine, whatever the resolver says.
        version: The version to ask; None asks whichever is served.
        wait: Seconds to wait for the model to be ready before asking.
        timeout: Seconds to wait for the answer.

    Raises:
        AskError: The server cannot be reached, is not ready in time, or refuses the request.
    """
    url = default_url(model) if url is None else url
    if not _is_address(url):
        raise AskError(f"{url}: not an http or https address")
    server = _Server(url)
    path = f"/v2/models/{quote(model, safe='')}"
    server.wait_until_ready(f"{path}/ready", wait)
    if version is not None:
        path += f"/versions/{quote(version, safe='')}"
    try:
        return server.send(f"{path}/infer", body, timeout)
    except HTTPError as err:
        raise AskError(f"{url} answered {err.code}: {_told(err.read()) or err.reason}") from err
    except (OSError, HTTPException) as err:
        reason = getattr(err, "reason", err)
        raise AskError(f"{url} cannot be reached ({reason}); is the server running there?") from err


def pretty(body: bytes) -> str:
    """Return a JSON object with a line for each key, and for each tensor; another body as it is."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
    if not isinstance(document, dict):
        return _line(document)
    return "{\n" + ",\n".join(f"  {_line(key)}: {_lines(value)}" for key, value in document.items()) + "\n}"


def _lines(value: object) -> str:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return _line(value)
    return "[\n" + ",\n".join(f"    {_line(tensor)}" for tensor in value) + "\n  ]"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Server:
    """Where requests go: the address to connect to, and the host name that they bear."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url.rstrip("/"))
        self._headers: dict[str, str] = {}
        self._opener: OpenerDirector = build_opener()
        if parts.scheme == "http" and (parts.hostname or "").endswith(".localhost"):
            # Not every resolver knows these names, and no proxy would find this machine by them.
            self._headers["Host"] = parts.netloc
            self._opener = build_opener(ProxyHandler({}))
            parts = parts._replace(netloc=_LOOPBACK if parts.port is None else f"{_LOOPBACK}:{parts.port}")
        self._root = urlunsplit(parts)

    def send(self, path: str, body: bytes | None, timeout: float) -> bytes:
        """Return the answer's body; HTTPError where it is a refusal, OSError or HTTPException where there is none."""
        told = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        with self._opener.open(Request(self._root + path, data=body, headers=told), timeout=timeout) as response:  # noqa: S310 (http only)
            answer: bytes = response.read()
            return answer

    def wait_until_ready(self, path: str, wait: float) -> None:
        """Return once the model is ready, or when the time is over."""
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            try:
                self.send(path, None, timeout=5)
            except (OSError, HTTPException):
                time.sleep(_POLL_SECONDS)
            else:
                return


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        return False


def _told(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
