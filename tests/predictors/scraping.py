# SPDX-License-Identifier: Apache-2.0
"""What a server's /metrics say, as Prometheus reads them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

#: A sample's name and its labels in order of their names.
Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
#: Longer than anything takes that comes about at all, in seconds.
LONGEST = 60.0


def scrape(port: int) -> dict[Series, float]:
    """Return every sample."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LONGEST) as response:
        text = response.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def value(samples: Mapping[Series, float], name: str, **labels: str) -> float:
    """Return the sum of all series of a name that have these labels."""
    return sum(
        number for (found, has), number in samples.items() if found == name and labels.items() <= dict(has).items()
    )


def in_flight(port: int, model: str) -> int:
    """Return how many requests of a model are on their way."""
    return int(value(scrape(port), "portside_requests_in_flight", model=model))


def falls(before: Mapping[Series, float], after: Mapping[Series, float]) -> list[Series]:
    """Return the series that may only rise and did not."""
    rising = [series for series in before if series[0].endswith(("_total", "_bucket", "_count", "_sum"))]
    return [series for series in rising if after.get(series, 0.0) < before[series]]


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for what must come about."""
    end = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < end, f"it never came about that {what}"
        time.sleep(0.01)
