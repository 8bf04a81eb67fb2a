# SPDX-License-Identifier: Apache-2.0
"""What a predictor's metrics say of one model, as a snapshot of its counts.

``docs/serving.md`` tells what the metrics mean. Only the few that rollouts need are read, by a reader of their own:
hundreds of expositions are read every second.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from rollouts.measurements.snapshot import Snapshot

_REQUESTS: Final = "portside_requests_total"
_ROWS: Final = "portside_rows_total"
_BUCKETS: Final = "portside_request_duration_seconds_bucket"
_OUTPUTS: Final = "portside_outputs_total"
#: The metrics that make a snapshot.
METRICS: Final = (_REQUESTS, _ROWS, _BUCKETS, _OUTPUTS)

_LINE: Final = re.compile(rf"^({'|'.join(METRICS)})\{{(.*)\}} (\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_MEANT: Final = {"n": "\n"}
_SERVER_ERROR: Final = "5"


class Sample(NamedTuple):
    """One series at a moment.

    Attributes:
        metric: Its name.
        labels: Its labels.
        value: Its value.
    """

    metric: str
    labels: Mapping[str, str]
    value: int


def read_exposition(text: str, model: str) -> Snapshot | None:
    """Return what a server has counted of a model; None where it does not serve it.

    Args:
        text: The metrics in Prometheus' text format.
        model: The model's name.

    Raises:
        ValueError: A value is no finite number, or a label is missing.
    """
    try:
        return snapshot_of(_samples(text), model)
    except (LookupError, OverflowError) as err:
        raise ValueError(f"no counts of a predictor: {type(err).__name__} {err}") from err


def snapshot_of(samples: Iterable[Sample], model: str) -> Snapshot | None:
    """Return the snapshot that the series of one server make; None where none is of the model."""
    requests = failed = rows = 0
    served = False
    cumulative: dict[str, dict[float, int]] = defaultdict(dict)
    outputs: dict[str, dict[str, int]] = defaultdict(dict)
    for metric, labels, value in samples:
        if labels.get("model") != model:
            continue
        if metric == _BUCKETS:
            cumulative[labels["protocol"]][float(labels["le"])] = value
        elif metric == _OUTPUTS:
            if value:
                outputs[labels["output"]][labels["bin"]] = value
        elif metric == _REQUESTS:
            requests += value
            failed += value if labels["code"].startswith(_SERVER_ERROR) else 0
        else:
            served = True
            rows += value
    return Snapshot(requests, failed, rows, _bins(cumulative.values()), dict(outputs)) if served else None


def _samples(text: str) -> Iterator[Sample]:
    for metric, labels, value in _LINE.findall(text):
        # Nearly half of the series are of protocols and bins without requests; rows tell that the model is there.
        if value == "0.0" and metric != _ROWS:
            continue
        yield Sample(metric, {name: _unescaped(said) for name, said in _LABEL.findall(labels)}, int(float(value)))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), text) if "\\" in text else text


def _bins(histograms: Iterable[Mapping[float, int]]) -> dict[str, int]:
    """Return how many values lie between each bound and the one below, summed over cumulative histograms."""
    bins: dict[float, int] = defaultdict(int)
    for cumulative in histograms:
        for (_, below), (bound, count) in pairwise([(0.0, 0), *sorted(cumulative.items())]):
            if count > below:
                bins[bound] += count - below
    # Prometheus writes bounds its own way, such as "1.0" for "1".
    return {"+Inf" if bound == float("inf") else f"{bound:.12g}": bins[bound] for bound in sorted(bins)}
