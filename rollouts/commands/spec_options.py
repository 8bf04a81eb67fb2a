# SPDX-License-Identifier: Apache-2.0
"""A rollout's spec as options of a command: one for each field, and a file for those who have one."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from rollouts.client.manifest import USUAL_GATES
from rollouts.errors import SpecError
from rollouts.spec import DEFAULT_STEPS, parse_duration

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MOST: Final = 100
_HOLD: Final = "hold"
#: Takes a gate away, or all steps.
NONE: Final = "none"
_ERRORS: Final = USUAL_GATES["errors"]["maxIncrease"]
_RATIO: Final = USUAL_GATES["latency"]["maxRatio"]
_PERCENTILE: Final = USUAL_GATES["latency"]["percentile"]
_SHIFT: Final = USUAL_GATES["predictions"]["maxShift"]


def _steps(_ctx: click.Context, _option: click.Parameter, text: str | None) -> list[dict[str, Any]] | None:
    """Read ``5,25,50:hold``."""
    if text is None:
        return None
    steps: list[dict[str, Any]] = []
    for word in text.split(",") if text != NONE else []:
        share, colon, hold = word.strip().partition(":")
        if not share.isdecimal() or not 1 <= int(share) <= _MOST or (colon and hold != _HOLD):
            raise click.BadParameter(f"{word!r} is no step: a step is per cent from 1 to 100, or 50:hold")
        steps.append({"traffic": int(share), **({"hold": True} if hold else {})})
    shares = [step["traffic"] for step in steps]
    if shares != sorted(set(shares)):
        raise click.BadParameter(f"{text}: steps must rise, such as 5,25,50")
    return steps


def _duration(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            parse_duration(text)
        except SpecError as err:
            raise click.BadParameter(str(err)) from err
    return text


def _limit(least: float, most: float, *, above: bool = False) -> Callable[..., float | str | None]:
    """Return what reads a gate's limit, or ``none``, which takes the gate away."""

    def read(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | str | None:
        if text is None or text == NONE:
            return text
        try:
            number = float(text)
        except ValueError as err:
            raise click.BadParameter(f"{text!r} is no number, and not none") from err
        if not least <= number <= most or (above and number == least):
            lowest = f"above {least:g}" if above else f"{least:g} at least"
            raise click.BadParameter(f"{text} must be {lowest} and {most:g} at most")
        return number

    return read


def _percentile(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < _MOST:
        raise click.BadParameter(f"{text!r} must be a number above 0 and below {_MOST}, such as 99 or 99.9")
    return number


_RATE: Final = _limit(0, 1)
_OPTIONS: Final = (
    click.option(
        "--steps",
        callback=_steps,
        metavar="SHARES",
        help=f"Per cent of the requests, rising; 50:hold stays until resumed.  [default: "
        f"{','.join(map(str, DEFAULT_STEPS))}]",
    ),
    click.option(
        "--max-error-increase",
        callback=_RATE,
        metavar="RATE|none",
        help=f"How far its share of 5xx may lie above the present version's.  [default: {_ERRORS}]",
    ),
    click.option(
        "--max-latency-ratio",
        callback=_limit(1, 100),
        metavar="RATIO|none",
        help=f"How many times the present version's time it may take.  [default: {_RATIO}]",
    ),
    click.option(
        "--max-latency", callback=_limit(0, 600_000, above=True), metavar="MS|none", help="How long it may take at all."
    ),
    click.option(
        "--percentile",
        callback=_percentile,
        metavar="P",
        help=f"Of which times.  [default: {_PERCENTILE:g}]",
    ),
    click.option(
        "--max-shift",
        callback=_limit(0, 1, above=True),
        metavar="DISTANCE|none",
        help=f"How far the distribution of its predictions may lie from the present one.  [default: {_SHIFT}]",
    ),
    click.option(
        "--shadow", type=click.IntRange(min=1), metavar="N", help="Mirror first, until N answers are compared."
    ),
    click.option(
        "--max-disagreements", callback=_RATE, metavar="RATE|none", help="The largest share of answers that may differ."
    ),
    click.option(
        "--min-requests", type=click.IntRange(min=0), metavar="N", help="Of each version in each step.  [default: 300]"
    ),
    click.option("--deadline", callback=_duration, metavar="TIME", help="Then it is inconclusive.  [default: 30m]"),
    click.option("--ready-deadline", callback=_duration, metavar="TIME", help="For its pods.  [default: 5m]"),
    click.option(
        "--keep-previous", callback=_duration, metavar="TIME", help="Keep the former version running for that long."
    ),
    click.option("--replace", is_flag=True, help="Revert a rollout that is under way, instead of waiting for its end."),
    click.option("--force", is_flag=True, help="Though the version is not newer."),
    click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="YAML",
        help="A ModelRollout or its spec alone; options are put over it.",
    ),
)


def spec_options(command: _Command) -> _Command:
    """Give a command the options of a spec."""
    return reduce(lambda given, option: option(given), reversed(_OPTIONS), command)
