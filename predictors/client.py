# SPDX-License-Identifier: Apache-2.0
"""A small V2 client for the command line: one request, one answer, and a sentence when there is none."""

import json
import time
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import orjson

from predictors.errors import PredictorError

_POLL_SECONDS: Final = 0.1


class AskError(PredictorError):
    """The server refused the request, or did not answer; the text says which."""


def ask(model: str, body: bytes, *, url: str, version: str | None, wait: float, timeout: float) -> bytes:
    """Return the body of a model's answer to a V2 request.

    Args:
        model: The model's name.
        body: The request, JSON.
        url: The server, such as ``http://127.0.0.1:8080``.
        version: The version to ask; None asks whichever is served.
        wait: Seconds to wait for the model to be ready before asking.
        timeout: Seconds to wait for the answer.

    Raises:
        AskError: The server cannot be reached, is not ready in time, or refuses the request.
    """
    if not url.startswith(("http://", "https://")):
        raise AskError(f"{url}: not an http or https address")
    path = f"{url.rstrip('/')}/v2/models/{quote(model, safe='')}"
    if version is not None:
        path += f"/versions/{quote(version, safe='')}"
    _wait_until_ready(f"{url.rstrip('/')}/v2/models/{quote(model, safe='')}/ready", wait)
    request = Request(f"{path}/infer", data=body, headers={"Content-Type": "application/json"})  # noqa: S310 (http only)
    try:
        with urlopen(request, timeout=timeout) as response:  # noqa: S310 (http only)
            answer: bytes = response.read()
            return answer
    except HTTPError as err:
        raise AskError(f"{url} answered {err.code}: {_told(err.read())}") from err
    except (URLError, TimeoutError) as err:
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


def _wait_until_ready(url: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5) as response:  # noqa: S310 (http only)
                if response.status == HTTPStatus.OK:
                    return
        except (URLError, OSError):
            time.sleep(_POLL_SECONDS)


def _told(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
