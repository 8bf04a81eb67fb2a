# SPDX-License-Identifier: Apache-2.0
"""Times in the notation of cron, checked, and as Kubeflow Pipelines takes them: with a field for seconds in front.

The five fields are those of POSIX's crontab, with names and steps as every cron has them.
"""

import calendar
import re
from dataclasses import dataclass
from itertools import product
from typing import Final

from pipelines.errors import PipelineError

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\w+))?", re.ASCII)
_LEAP_YEAR: Final = 2000
_MEANT: Final = "minute, hour, day, month, day of the week, as in 0 3 * * 1"


@dataclass(frozen=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    first: int = 0


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    # Both 0 and 7 are Sunday.
    _Field("day of the week", 0, 7, _DAYS),
)


def with_seconds(cron: str) -> str:
    """Return a cron expression as Kubeflow takes it: at second 0, Sunday as 0, names as numbers.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.

    Raises:
        PipelineError: It is none, or names a day that no year has.
    """
    texts = cron.split()
    if len(texts) != len(_FIELDS):
        raise PipelineError(f'the time "{cron}" has {len(texts)} fields and must have 5: {_MEANT}')
    values = [_values(text, field, cron) for text, field in zip(texts, _FIELDS, strict=True)]
    _, _, days, months, _ = values
    if texts[4] == "*" and not any(day <= _length(month) for day, month in product(days, months)):
        raise PipelineError(f'the time "{cron}" never comes: the months that it names have no such day')
    return " ".join(("0", *(_as_kubeflow(*each) for each in zip(texts, values, _FIELDS, strict=True))))


def _length(month: int) -> int:
    return calendar.monthrange(_LEAP_YEAR, month)[1]


def _values(text: str, field: _Field, cron: str) -> list[int]:
    """Return what a field names, in ascending order."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _wrong(cron, field, part, "write a number, a range as 1-5, a step as */10, or a list of these")
        star, first, last, step_text = match.groups()
        if step_text is not None and not (step_text.isdecimal() and int(step_text) > 0):
            raise _wrong(cron, field, part, "a step is a whole number from 1")
        if step_text is not None and star is None and last is None:
            raise _wrong(cron, field, part, f"a step goes with * or a range, as in {first}-{field.most}/{step_text}")
        low = field.least if star else _number(first, field, cron)
        high = field.most if star else low if last is None else _number(last, field, cron)
        if low > high:
            raise _wrong(cron, field, part, "a range begins with its smaller end")
        found.update(range(low, high + 1, int(step_text or 1)))
    return sorted(found)


def _number(text: str, field: _Field, cron: str) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.first
    if not text.isdecimal() or not field.least <= int(text) <= field.most:
        also = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise _wrong(cron, field, text, f"it is from {field.least} to {field.most}{also}")
    return int(text)


def _as_kubeflow(text: str, values: list[int], field: _Field) -> str:
    # A star must stay one: whether a day of the month and one of the week both count hangs on it.
    if text == "*" or (text.startswith("*/") and "," not in text):
        return text
    if field.names == _DAYS:
        values = sorted({value % len(_DAYS) for value in values})
    return ",".join(map(str, values))


def _wrong(cron: str, field: _Field, part: str, advice: str) -> PipelineError:
    return PipelineError(f'the {field.name} "{part}" in the time "{cron}" is none: {advice}')
