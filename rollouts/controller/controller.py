# SPDX-License-Identifier: Apache-2.0
"""The controller as a whole: waits for the Lease, then looks at rollouts until it is told to end, or loses it."""

import logging
import os
import signal
import socket
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cluster.api import Cluster, RefusedError
from cluster.errors import ClusterError
from rollouts.controller.feed import feed
from rollouts.controller.health import HealthServer
from rollouts.controller.lease import Lease
from rollouts.controller.logs import set_up_logs
from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Schedule
from rollouts.controller.settings import Settings
from rollouts.controller.shadows import Shadows
from rollouts.controller.tick import Tick
from rollouts.measurements.pod_source import PodSource
from rollouts.measurements.prometheus_source import PrometheusSource
from rollouts.spec import MODEL_ROLLOUT

_log = logging.getLogger(__name__)

#: A look that takes longer hangs: the process is to be started anew.
_LONGEST_TICK_SECONDS: Final = 120.0
#: How long looks under way are waited for at the end.
_GRACE_SECONDS: Final = 10.0
#: Threads that ask pods, for each that looks at rollouts.
_ASKING: Final = 2


def run(environ: Mapping[str, str]) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        environ: The environment.

    Raises:
        ClusterError: A setting cannot be used, or the cluster not be reached or lacks what is needed; the text says
            why.
    """
    settings = Settings.from_env(environ)
    set_up_logs(settings.log_level, settings.log_format)
    cluster = Cluster()
    if not cluster.knows(*MODEL_ROLLOUT):
        raise ClusterError("the cluster does not know ModelRollout; apply manifests/controllers/rollouts")
    for namespace in settings.namespaces:
        _check_sight(cluster, namespace)
    _Controller(settings, cluster).work()


def _check_sight(cluster: Cluster, namespace: str) -> None:
    """Raise ClusterError where rollouts may not be seen, which kopf would try for a minute, and then end in a fault."""
    try:
        cluster.objects(*MODEL_ROLLOUT, namespace)
    except RefusedError as err:
        raise ClusterError(
            f"namespace {namespace}: {err}; has the controller a Role and a RoleBinding there, like those of "
            "manifests/controllers/rollouts?"
        ) from err


class _Controller:
    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        # Never the same for two, not even for one that starts anew in the same pod.
        identity = settings.identity or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._lease = Lease(cluster, settings.lease, settings.lease_namespace, identity)
        self._metrics = Metrics(lambda: self._lease.held)
        self._asking = ThreadPoolExecutor(settings.threads * _ASKING, thread_name_prefix="ask")
        url = settings.prometheus_url
        source = PodSource(cluster, self._asking) if url is None else PrometheusSource(url)
        shadows = Shadows(cluster, self._asking)
        self._neighbours = Neighbours()
        tick = Tick(
            cluster=cluster,
            source=source,
            shadows=shadows,
            metrics=self._metrics,
            neighbours=self._neighbours,
            may_act=lambda: self._lease.held,
            seconds=settings.tick_seconds,
        )
        self._schedule = Schedule(tick, settings.threads)

    def work(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        settings = self._settings
        address = (settings.host, settings.port)
        server = HealthServer(address, self._problem, self._state, self._metrics.registry)
        _log.info("health and metrics at %s", server.url)
        try:
            if self._lease.acquire(self._stopping):
                self._lead()
        finally:
            server.close()
        _log.info("ended")

    def _lead(self) -> None:
        self._lease.keep(self._ended, _give_up)
        self._schedule.start()
        try:
            # From here on kopf is told of the signals.
            feed(self._schedule, self._metrics, self._neighbours, self._settings.namespaces, self._wind_up)
        finally:
            self._wind_up()

    def _wind_up(self) -> None:
        """Begin nothing more, and give the Lease back once nothing is under way any more."""
        if self._ended.is_set():
            return
        over = self._schedule.stop(_GRACE_SECONDS)
        self._ended.set()
        if over:
            self._lease.release()
        else:
            _log.warning("looks under way are cut off, and the Lease is left to run out")
        self._asking.shutdown(wait=False, cancel_futures=True)

    def _problem(self) -> str | None:
        longest, late = self._schedule.longest, self._schedule.late
        if longest > _LONGEST_TICK_SECONDS:
            return f"a look has been under way for {longest:.0f} s"
        if late > _LONGEST_TICK_SECONDS:
            return f"no thread has taken up a rollout for {late:.0f} s"
        return None

    def _state(self) -> str:
        if self._lease.held:
            return f"ok: leads, and looks at {self._schedule.size} rollouts"
        return f"ok: waits for the Lease, which {self._lease.holder or 'nobody'} holds"


def _give_up(why: str) -> None:
    """End the process at once, whatever its threads are at: another controller may begin any moment."""
    _log.critical("ends at once: %s", why)
    os._exit(1)
