# SPDX-License-Identifier: Apache-2.0
"""The counts of pods as Prometheus has them, for clusters in which it reads the predictors already.

It must give the series the labels ``namespace``, ``service`` and ``pod``, as
``manifests/components/monitoring/prometheus.yaml`` does. Looks see what was new at its last scrape.
"""

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from rollouts.measurements.exposition import METRICS, Sample, snapshot_of
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod

_log = logging.getLogger(__name__)

_SECONDS: Final = 2.0
_SECONDS_BETWEEN_WARNINGS: Final = 60.0


class PrometheusSource:
    """Asks a Prometheus."""

    def __init__(self, url: str) -> None:
        """Ask the Prometheus at a URL, such as ``http://prometheus.portside-system:9090``.

        Raises:
            ValueError: The URL is not one of http or https.
        """
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError(f"Prometheus is asked at a URL of http or https, not at {url!r}")
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._lock = threading.Lock()
        self._warned = float("-inf")

    def snapshots(self, namespace: str, service: str, pods: Sequence[Pod]) -> dict[str, Snapshot]:
        """Return what each server has counted, as ``Source`` has it; none where Prometheus does not answer."""
        try:
            told = self._ask(_query(namespace, service))
            found = {name: snapshot_of(samples, service) for name, samples in _by_pod(told).items()}
        except (OSError, HTTPException, ValueError, OverflowError, LookupError, TypeError) as err:
            self._warn(err)
            return {}
        return {pod.key: each for pod in pods if (each := found.get(pod.name)) is not None}

    def _ask(self, query: str) -> Any:
        with urlopen(f"{self._url}?{urlencode({'query': query})}", timeout=_SECONDS) as answer:  # noqa: S310 (checked)
            return json.load(answer)

    def _warn(self, err: Exception) -> None:
        """Tell what went wrong, once a minute: every rollout asks every second."""
        now = time.monotonic()
        with self._lock:
            if now - self._warned < _SECONDS_BETWEEN_WARNINGS:
                return
            self._warned = now
        _log.warning("Prometheus tells no counts, so rollouts stand still: %s: %s", type(err).__name__, err)


def _query(namespace: str, service: str) -> str:
    # Names of Kubernetes hold nothing that would have to be escaped.
    return f'{{__name__=~"{"|".join(METRICS)}",namespace="{namespace}",service="{service}"}}'


def _by_pod(told: Mapping[str, Any]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for series in told["data"]["result"]:
        labels = series["metric"]
        found[labels["pod"]].append(Sample(labels["__name__"], labels, int(float(series["value"][1]))))
    return found
