# SPDX-License-Identifier: Apache-2.0
"""The SLO file: what a server must keep, read strictly."""

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from loadtests.errors import LoadTestError
from loadtests.histogram import LONGEST
from loadtests.yaml_file import read_yaml

_MICROSECONDS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?) ?(us|ms|s)")
_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)")


def _duration(value: object) -> int:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no duration; write a number and its unit, such as 20ms, 1.5s or 250us")
    microseconds = Decimal(found[1]) * _MICROSECONDS[found[2]]
    if not 1 <= microseconds <= LONGEST or microseconds % 1:
        raise ValueError(f"{value} cannot be measured; write whole microseconds, from 1us to {LONGEST // 10**6}s")
    return int(microseconds)


def _number(value: object, example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number; write for example {example}")  # noqa: TRY004 (pydantic's way)
    return float(value)


def _error_rate(value: object) -> float:
    number = _number(value, "0.001")
    if number == 0:
        raise ValueError("0 can never be shown by a finite run; write for example 0.001")
    if not 0 < number < 1:
        raise ValueError(f"{number:g} is no share of the requests; write one above 0 and below 1, for example 0.001")
    return number


def _at_least(value: object) -> float:
    number = _number(value, "0.99")
    if number == 1:
        raise ValueError("1 can never be shown by a finite run; write for example 0.999")
    if not 0 < number < 1:
        raise ValueError(f"{number:g} is no share of the requests; write one above 0 and below 1, for example 0.99")
    return number


def _min_requests(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no number of requests; write a whole number, at least 1")
    return value


def _confidence(value: object) -> float:
    number = _number(value, "0.95")
    if not 0.5 <= number < 1:  # noqa: PLR2004
        raise ValueError(f"{number:g} is no level of confidence; write one from 0.5 to below 1, for example 0.95")
    return number


def _mapping(value: object, example: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} does not say enough; write for example {example}")  # noqa: TRY004
    return {str(key): told for key, told in value.items()}


def _latency(value: object) -> dict[str, int]:
    stated = _mapping(value, "{p50: 20ms, p99: 100ms}")
    limits = {_percentile(key): _limit(key, told) for key, told in stated.items()}
    if not limits:
        raise ValueError("it states no percentile; write for example {p50: 20ms, p99: 100ms}, or leave latency out")
    if len({quantile(name) for name in limits}) < len(limits):
        raise ValueError("it states a percentile twice; leave one of them out")
    ordered = sorted(limits, key=quantile)
    for lower, higher in pairwise(ordered):
        if limits[higher] < limits[lower]:
            raise ValueError(
                f"the limit of {higher} is below that of {lower}, which is never the longer one; "
                f"raise {higher} or lower {lower}"
            )
    return {name: limits[name] for name in ordered}


def _percentile(key: str) -> str:
    found = _PERCENTILE.fullmatch(key)
    if found is None:
        digits = re.search(r"\d+(?:\.\d+)?", key)
        raise ValueError(f"{key!r} is no percentile; write {f'p{digits[0]}' if digits else 'for example p99 or p99.9'}")
    if not 0 < Decimal(found[1]) < 100:  # noqa: PLR2004
        raise ValueError(f"{key} is no percentile that a run can show; write one between p0 and p100, such as p99.9")
    return key


def _limit(key: str, told: object) -> int:
    try:
        return _duration(told)
    except ValueError as err:
        raise ValueError(f"{key}: {err}") from err


class Goodput(BaseModel):
    """How many of the requests are to be answered rightly in time.

    Attributes:
        within: Microseconds, from when a request is due.
        at_least: The share of the requests, above 0 and below 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    within: Annotated[int, BeforeValidator(_duration)]
    at_least: Annotated[float, BeforeValidator(_at_least)]


class Slo(BaseModel):
    """What a server must keep.

    Attributes:
        latency: By percentile (p99, p99.9), in rising order: microseconds from when a request is due until it is
            answered rightly, at most. A request that fails is never answered.
        error_rate: The share of requests that fail, at most; above 0 and below 1.
        goodput: How many requests are to be answered rightly in time.
        min_requests: With fewer there is no verdict.
        confidence: Of the verdict as a whole; from 0.5 to below 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency: Annotated[dict[str, int], BeforeValidator(_latency)] = {}
    error_rate: Annotated[float, BeforeValidator(_error_rate)] | None = None
    goodput: (
        Annotated[Goodput, BeforeValidator(lambda value: _mapping(value, "{within: 100ms, at_least: 0.99}"))] | None
    ) = None
    min_requests: Annotated[int, BeforeValidator(_min_requests)] = 100
    confidence: Annotated[float, BeforeValidator(_confidence)] = 0.95

    @model_validator(mode="after")
    def _states_something(self) -> Self:
        if not self.latency and self.error_rate is None and self.goodput is None:
            raise ValueError("it states nothing to keep; write at least one of latency, error_rate and goodput")
        return self


def read_slo(path: Path) -> Slo:
    """Read an SLO file.

    Raises:
        LoadTestError: There is no such file, or it is no SLO file; the sentence names the file and the key.
    """
    try:
        document = read_yaml(path)
    except OSError as err:
        raise LoadTestError(f"{path}: it cannot be read ({err.strerror}); is --slo the right path?") from err
    if not isinstance(document, dict):
        raise LoadTestError(f"{path}: it is no SLO file; it must hold keys such as latency: {{p99: 100ms}}")
    try:
        return Slo.model_validate({str(key): told for key, told in document.items()})
    except ValidationError as err:
        raise LoadTestError(f"{path}: {_sentence(err)}") from err


def quantile(percentile: str) -> float:
    """Return the share of requests that a percentile names: 0.99 for p99."""
    return float(Decimal(percentile.removeprefix("p")) / 100)


def _sentence(err: ValidationError) -> str:
    fault = err.errors(include_url=False)[0]
    places = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        return _unknown(places)
    if fault["type"] == "missing":
        return f"{places[0]}: it lacks {places[-1]}; write for example {{within: 100ms, at_least: 0.99}}"
    reason = fault["msg"].removeprefix("Value error, ")
    return ": ".join([".".join(places), reason]) if places else reason


def _unknown(places: list[str]) -> str:
    known = sorted(Slo.model_fields if len(places) == 1 else Goodput.model_fields)
    near = get_close_matches(places[-1], known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
    return f"{'.'.join(places)}: there is no such key; {advice}"
