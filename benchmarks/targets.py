# SPDX-License-Identifier: Apache-2.0
"""What is to be reached, and whether a run did."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from benchmarks.figures import PORTSIDE, STOCK, Figure, find
from benchmarks.sections import batching, grpc_speed, health, http_speed, overload, start, workers


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for one figure, or for its ratio to another.

    Attributes:
        section: The figure's section.
        metric: Its metric.
        case: Its case.
        bound: The bound.
        subject: Whose figure.
        over: Whose figure it is divided by; None: the figure itself is bounded.
        at_least: Whether the bound is the least allowed; otherwise it is the most.
    """

    section: str
    metric: str
    case: str
    bound: float
    subject: str = PORTSIDE
    over: str | None = STOCK
    at_least: bool = False


class Verdict(NamedTuple):
    """A target after a run.

    Attributes:
        target: The target.
        value: The figure or ratio; None where it was not taken, or was not valid.
        reached: Whether it keeps the bound.
    """

    target: Target
    value: float | None
    reached: bool


TARGETS: Final = (
    *(
        Target("http", http_speed.PER_SECOND, model, least, at_least=True)
        for model, least in (("linear", 25), ("forest", 150), ("spam", 25))
    ),
    *(Target("http", http_speed.P50, model, 0.2) for model in http_speed.MODELS),
    *(Target("http", http_speed.P99, model, 0.1) for model in http_speed.MODELS),
    *(Target("grpc", grpc_speed.PER_SECOND, model, 4, at_least=True) for model in http_speed.MODELS),
    *(Target("start", start.SECONDS, model, 0.4) for model in http_speed.MODELS),
    *(Target("start", start.RESIDENT, model, 1) for model in http_speed.MODELS),
    *(Target("health", health.SLOW, case, 0, over=None) for case in health.CASES),
    Target("batching", http_speed.PER_SECOND, "boosting", 2, batching.BATCHED, batching.ALONE, at_least=True),
    Target("overload", overload.GOODPUT, "boosting", 0.8, over=None, at_least=True),
    Target("overload", overload.REFUSED_P99, "boosting", 10, over=None),
    Target("workers", workers.PER_SECOND, "forest", 1.5, workers.TWO, workers.ONE, at_least=True),
)


def judge(figures: Sequence[Figure], sections: Container[str], targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """Return the verdicts on the targets of these sections."""
    return [_verdict(figures, target) for target in targets if target.section in sections]


def _verdict(figures: Sequence[Figure], target: Target) -> Verdict:
    figure = find(figures, target.section, target.metric, target.case, target.subject)
    other = find(figures, target.section, target.metric, target.case, target.over) if target.over else None
    if figure is None or (target.over is not None and (other is None or not other.value)):
        return Verdict(target, None, reached=False)
    value = figure.value / other.value if other else figure.value
    return Verdict(target, value, value >= target.bound if target.at_least else value <= target.bound)
