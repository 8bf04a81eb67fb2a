# SPDX-License-Identifier: Apache-2.0
"""ModelRollouts as the cluster tells of them, by kopf, which watches: what comes and goes is put on the schedule.

kopf writes nothing here, neither annotations nor finalizers nor Events: what a rollout has come to is its status'
alone, and so a controller that starts anew goes on from there.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import kopf

from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Key, Schedule
from rollouts.finalizer import is_under_way
from rollouts.phases import Phase
from rollouts.spec import GROUP, PLURAL, VERSION


def feed(
    schedule: Schedule,
    metrics: Metrics,
    neighbours: Neighbours,
    namespaces: Sequence[str],
    ended: Callable[[], object],
) -> None:
    """Put on the schedule what the cluster tells of, until the process is told to end.

    Args:
        schedule: Where rollouts go that have something left to do.
        metrics: Told of every one.
        neighbours: Likewise.
        namespaces: Which ones are watched.
        ended: Called once nothing more is to be begun.

    Raises:
        Exception: The cluster cannot be watched; what kopf says.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**words: Any) -> kopf.AiohttpSession | None:
        return _session(kopf.login_via_client(**words))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def told(event: Mapping[str, Any], **_: Any) -> None:
        hear(schedule, metrics, neighbours, event["type"], event["object"])

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await asyncio.to_thread(ended)

    operator = kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        namespaces=namespaces,
        # Else kopf asks for the user's name, and a pod's number has none.
        identity="portside-rollouts",  # type: ignore[arg-type]
    )
    asyncio.run(operator)


def hear(
    schedule: Schedule, metrics: Metrics, neighbours: Neighbours, kind: str | None, document: Mapping[str, Any]
) -> None:
    """Take in one word of the cluster's about one ModelRollout.

    Args:
        schedule: The schedule.
        metrics: Told of it.
        neighbours: Likewise.
        kind: ``DELETED`` where it is gone; anything else where it is there.
        document: The ModelRollout.
    """
    metadata = document["metadata"]
    key = Key(metadata["namespace"], metadata["name"])
    neighbours.hear(key, None if kind == "DELETED" else document)
    if kind == "DELETED":
        schedule.drop(key)
        metrics.saw(key, None)
        return
    metrics.saw(key, document.get("status", {}).get("phase", Phase.PENDING))
    if is_under_way(document):
        schedule.add(key)
    else:
        schedule.drop(key)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # The kind is there before the controller starts, and its namespaces are named: no right to see all of them.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # A silent connection is given up, and the list read anew.
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.networking.request_timeout = 30
    settings.process.ultimate_exiting_timeout = 15
    return settings


def _session(info: kopf.ConnectionInfo | None) -> kopf.AiohttpSession | None:
    """Return a session that trusts the cluster's authority as ``cluster.api`` does."""
    if info is None:
        return None
    context = info.as_ssl_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context), headers=info.as_http_headers()
        ),
    )
