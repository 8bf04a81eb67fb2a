# SPDX-License-Identifier: Apache-2.0
"""What is looked at before any load is sent: whether the server is there, and has the model."""

import time
from typing import Final
from urllib.parse import quote

import orjson

from loadtests.errors import LoadTestError
from loadtests.plan import Plan
from loadtests.transports import Reply, RestTransport

_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.25


def check_server(plan: Plan, wait: float) -> None:
    """Ask the server for its model, until it has it.

    Args:
        plan: What is to be run.
        wait: Seconds to wait for the model to be ready; 0 asks once.

    Raises:
        LoadTestError: The server cannot be reached, does not have the model, or is not ready; the text says which.
    """
    if plan.options.model is None:
        return
    deadline = time.monotonic() + wait
    transport = RestTransport(plan.host, connections=1, timeout=_SECONDS, connect_to=plan.options.connect_to)
    try:
        while (fault := _fault(transport, plan, plan.options.model)) is not None:
            if time.monotonic() >= deadline:
                raise LoadTestError(fault)
            time.sleep(_POLL_SECONDS)
    finally:
        transport.close()


def _fault(transport: RestTransport, plan: Plan, model: str) -> str | None:
    """Return what stands in the way of the load, in one sentence."""
    path = f"/v2/models/{quote(model, safe='')}"
    if plan.options.model_version is not None:
        path += f"/versions/{quote(plan.options.model_version, safe='')}"
    for asked in (path, f"{path}/ready"):
        reply = transport.get(asked)
        if not reply.ok:
            return _sentence(reply, plan.host, model)
    return None


def _sentence(reply: Reply, host: str, model: str) -> str:
    if not reply.code.isdigit():
        return f"{host} cannot be reached ({reply.code}); is the server running there, and is --host right?"
    if reply.code == "404":
        return f"{host} has no model {model!r} ({_told(reply)}); --model names the one to ask"
    return f"{host} answers {reply.code} when asked for the model {model!r}: {_told(reply)}"


def _told(reply: Reply) -> str:
    try:
        return str(orjson.loads(reply.body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return reply.body.decode(errors="replace").strip()[:200] or "no explanation"
