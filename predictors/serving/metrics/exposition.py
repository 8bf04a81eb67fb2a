# SPDX-License-Identifier: Apache-2.0
"""The counters as Prometheus reads them; any worker tells the sum over all of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from predictors.serving.endpoint import Endpoint
from predictors.serving.metrics.log_results import LogResults
from predictors.serving.metrics.meter import Histogram

#: The content type of ``exposition``.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_MODEL: Final = ("model", "version")
_Totals = npt.NDArray[np.int64]


class Metrics(Collector):
    """Tells the counters of all models that are served."""

    def __init__(self, endpoints: Callable[[], Iterable[Endpoint]], log_results: LogResults | None = None) -> None:
        """Tell of these models, asked for anew at each scrape.

        Args:
            endpoints: Gives the models that answer.
            log_results: What became of logged predictions; None where none are logged.
        """
        self._endpoints = endpoints
        self._log_results = log_results
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to tell depends on the models."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with the samples of each model."""
        requests = CounterMetricFamily(
            "portside_requests",
            "Inference requests answered, by HTTP status or its gRPC equal.",
            labels=(*_MODEL, "protocol", "code"),
        )
        durations = HistogramMetricFamily(
            "portside_request_duration_seconds", "From a request's arrival to its answer.", labels=(*_MODEL, "protocol")
        )
        queue = HistogramMetricFamily(
            "portside_queue_duration_seconds", "Waiting for the scorer, of requests that had to.", labels=_MODEL
        )
        batch = HistogramMetricFamily("portside_batch_rows", "Rows scored in one call.", labels=_MODEL)
        in_flight = GaugeMetricFamily("portside_requests_in_flight", "Requests that wait or are scored.", labels=_MODEL)
        rows = CounterMetricFamily("portside_rows", "Rows scored for answers.", labels=_MODEL)
        outputs = CounterMetricFamily(
            "portside_outputs",
            "Output values by bin of the artifact's reference distribution.",
            labels=(*_MODEL, "output", "bin"),
        )
        scorers = InfoMetricFamily("portside_scorer", "What scores the model.", labels=_MODEL)
        for endpoint in self._endpoints():
            meter = endpoint.meter
            totals = meter.counters.totals()
            of = (endpoint.model.name, endpoint.model.version)
            for protocol, codes in meter.requests.items():
                for code, place in codes.items():
                    # A code that never came has no series yet; 200 is there from the start, to rate against.
                    if totals[place] or code == 200:  # noqa: PLR2004
                        requests.add_metric((*of, protocol, str(code)), int(totals[place]))
                _add_histogram(durations, (*of, protocol), meter.durations[protocol], totals, unit=1e-9)
            _add_histogram(queue, of, meter.queue, totals, unit=1e-9)
            _add_histogram(batch, of, meter.batch, totals, unit=1)
            in_flight.add_metric(of, int(totals[meter.in_flight]))
            rows.add_metric(of, int(totals[meter.rows]))
            for name, labels, start in meter.outputs.outputs:
                for place, label in enumerate(labels, start):
                    outputs.add_metric((*of, name, label), int(totals[place]))
            scorers.add_metric(of, {"scorer": endpoint.model.scorer.name})
        yield from (requests, durations, queue, batch, in_flight, rows, outputs, scorers)
        if self._log_results is not None:
            logged = CounterMetricFamily(
                "portside_logged_predictions", "Sampled predictions by what became of them.", labels=("result",)
            )
            for result, count in self._log_results.totals().items():
                logged.add_metric((result,), count)
            yield logged


def _add_histogram(
    family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram, totals: _Totals, *, unit: float
) -> None:
    counts = totals[histogram.start : histogram.sum].cumsum().tolist()
    bounds = [*(f"{bound * unit:.12g}" for bound in histogram.bounds), "+Inf"]
    family.add_metric(labels, list(zip(bounds, counts, strict=True)), sum_value=int(totals[histogram.sum]) * unit)
