# SPDX-License-Identifier: Apache-2.0
"""When each request is due, fixed before the first is sent: the same seed gives the same arrivals, byte for byte."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TextIO

import numpy as np
import numpy.typing as npt

from loadtests.errors import LoadTestError

#: More than this many arrivals are refused: 16 bytes each, and hours of load, are rarely meant.
MOST_ARRIVALS: Final = 50_000_000
#: In seconds. Up to here a float holds a time to the nanosecond, so that what is written reads back the same.
LONGEST: Final = 1_000_000

_SECOND: Final = 1_000_000_000
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?"
_PHASE: Final = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER}))?(?:@({_NUMBER})s)?")
_FORMS: Final = '"200", "50..400" (a ramp), "50,100,200" (steps) or "50@10s,50..400@20s" (lengths of their own)'
_HEADER: Final = "seconds,draw"
_PLANNED: Final = "# planned seconds: "


@dataclass(frozen=True)
class Phase:
    """A part of the load whose rate is constant, or changes evenly.

    Attributes:
        start_rate: Requests/s at its start.
        end_rate: Requests/s at its end.
        seconds: How long it is.

    Raises:
        LoadTestError: Nothing would be sent, or the numbers are none that can be used.
    """

    start_rate: float
    end_rate: float
    seconds: float

    def __post_init__(self) -> None:
        for rate in (self.start_rate, self.end_rate):
            if not 0 <= rate < math.inf:
                raise LoadTestError(f"a rate of {rate:g} requests/s: it must be more than 0")
        if self.start_rate == self.end_rate == 0:
            raise LoadTestError("a rate of 0 requests/s sends nothing: it must be more than 0 (a ramp may begin at 0)")
        if not 0 < self.seconds <= LONGEST:
            raise LoadTestError(f"{self.seconds:g} seconds: a load lasts more than 0 and at most {LONGEST} seconds")

    @property
    def arrivals(self) -> float:
        """The expected number of arrivals: the integral of the rate."""
        return (self.start_rate + self.end_rate) / 2 * self.seconds


@dataclass(frozen=True, eq=False)
class Timetable:
    """Arrivals.

    Attributes:
        due_ns: When each is due, in nanoseconds from the start; sorted.
        draws: 64 random bits for each, which decide the request that is sent.
        seconds: The planned length.
    """

    due_ns: npt.NDArray[np.int64]
    draws: npt.NDArray[np.uint64]
    seconds: float

    def __post_init__(self) -> None:
        if self.due_ns.ndim != 1 or self.due_ns.shape != self.draws.shape:
            raise ValueError(f"{self.due_ns.shape} times and {self.draws.shape} draws: each arrival has one of both")

    def share(self, number: int, of: int) -> Self:
        """Return every of-th arrival from that number on: what one of several generators sends.

        Raises:
            ValueError: There is no such share.
        """
        if not 0 <= number < of:
            raise ValueError(f"no share {number} of {of}: they are counted from 0")
        return type(self)(self.due_ns[number::of], self.draws[number::of], self.seconds)

    def digest(self) -> str:
        """Return the SHA-256 of the times, the draws and the length, in hexadecimal."""
        told = hashlib.sha256(np.float64(self.seconds).astype("<f8").tobytes())
        told.update(self.due_ns.astype("<i8").tobytes())
        told.update(self.draws.astype("<u8").tobytes())
        return told.hexdigest()

    def due_from(self, seconds: float) -> int:
        """Return how many arrivals are due from that moment on."""
        return len(self.due_ns) - int(np.searchsorted(self.due_ns, round(seconds * _SECOND)))

    def per_second(self) -> list[int]:
        """Return how many arrivals are due in each second, the last of which may be a part of one."""
        counts: list[int] = np.bincount(self.due_ns // _SECOND, minlength=math.ceil(self.seconds)).tolist()
        return counts


def parse_phases(rate: str, duration: float | None) -> tuple[Phase, ...]:
    """Return the phases that a text describes.

    Args:
        rate: Requests/s: ``200``; ``50..400``, a ramp; ``50,100,200``, steps that share the duration equally;
            ``50@10s,50..400@20s``, phases with lengths of their own.
        duration: Seconds; None where the phases have lengths of their own.

    Raises:
        LoadTestError: The text or the duration cannot be used.
    """
    matches = [_PHASE.fullmatch(part.strip()) for part in rate.split(",")]
    parts = [match.groups() for match in matches if match]
    if len(parts) < len(matches):
        raise LoadTestError(f'the rate "{rate}" cannot be read: write {_FORMS}')
    own = [length is not None for _, _, length in parts]
    if any(own) and not all(own):
        raise LoadTestError(
            f'the rate "{rate}" gives only some phases a length: give all of them one ("@10s"), or none'
        )
    if any(own) and duration is not None:
        raise LoadTestError(f'the rate "{rate}" says how long each phase is: leave the duration out')
    if not any(own) and duration is None:
        raise LoadTestError(f'the rate "{rate}" needs a duration in seconds, or lengths of its own as in "200@10s"')
    if duration is not None and not 0 < duration <= LONGEST:
        raise LoadTestError(f"a duration of {duration:g} seconds: it must be more than 0 and at most {LONGEST}")
    share = (duration or 0.0) / len(parts)
    try:
        phases = tuple(
            Phase(float(start), float(start if end is None else end), share if length is None else float(length))
            for start, end, length in parts
        )
        _check_size(phases)
    except LoadTestError as err:
        raise LoadTestError(f'the rate "{rate}": {err}') from err
    return phases


def make_timetable(phases: Sequence[Phase], arrivals: Literal["poisson", "constant"], seed: int) -> Timetable:
    """Return the arrivals of these phases, one after another.

    A process of any rate is one of rate 1 seen through the inverse of the cumulated rate (time-rescaling; E. Çinlar,
    *Introduction to Stochastic Processes*, 1975, section 4.7). A Poisson process of rate 1, its count once drawn, is
    that many points thrown evenly.

    Args:
        phases: The rates.
        arrivals: "poisson", or "constant": evenly spaced in the cumulated rate, so that the i-th is due where that
            reaches i + 1/2.
        seed: 0 or more.

    Raises:
        LoadTestError: There would be too many arrivals, or the seed is negative.
    """
    _check_size(phases)
    sizes = [phase.arrivals for phase in phases]
    total = math.fsum(sizes)
    if arrivals == "poisson":
        # Points, not gaps: the last bit of a logarithm differs from processor to processor, and the bytes with it.
        random = np.random.Generator(np.random.PCG64(_streams(seed)[0]))
        points: npt.NDArray[np.float64] = (1 - random.random(random.poisson(total))) * total
    else:
        points = np.arange(math.floor(total + 0.5), dtype=np.float64) + 0.5
    points.sort()
    due = np.empty(len(points), np.int64)
    ends = np.cumsum(sizes)
    started, first = 0.0, 0
    for number, (phase, size) in enumerate(zip(phases, sizes, strict=True)):
        # The last phase takes what rounding puts behind its end.
        last = len(points) if number == len(phases) - 1 else int(np.searchsorted(points, ends[number], side="right"))
        times = started + _invert(phase, points[first:last] - (ends[number] - size))
        due[first:last] = np.rint(times * _SECOND)
        started, first = started + phase.seconds, last
    due.sort()
    np.clip(due, 0, max(math.ceil(started * _SECOND) - 1, 0), out=due)
    return Timetable(due, _draws(seed, len(due)), started)


def write_timetable(timetable: Timetable, path: Path) -> None:
    """Write the arrivals as text, which ``read_timetable`` reads back byte for byte.

    Raises:
        LoadTestError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="ascii", newline="\n") as file:
            file.write(f"{_PLANNED}{timetable.seconds!r}\n{_HEADER}\n")
            file.writelines(
                f"{due // _SECOND}.{due % _SECOND:09},{draw}\n"
                for due, draw in zip(timetable.due_ns.tolist(), timetable.draws.tolist(), strict=True)
            )
    except OSError as err:
        raise LoadTestError(f"{path}: the timetable cannot be written ({err.strerror})") from err


def read_timetable(path: Path) -> Timetable:
    """Return the arrivals of a file: what ``write_timetable`` wrote, or times only.

    Args:
        path: Seconds from the start, one arrival a line and sorted, and after the header ``seconds,draw`` the draw of
            each. Without draws they are those of seed 0. Without a planned length it ends with the last arrival's
            second.

    Raises:
        LoadTestError: The file cannot be read; the line is named.
    """
    try:
        with path.open(encoding="ascii") as file:
            return _read(path, file)
    except OSError as err:
        raise LoadTestError(f"{path}: the timetable cannot be read ({err.strerror})") from err
    except UnicodeDecodeError as err:
        raise LoadTestError(f"{path}: not a timetable: it holds more than plain text") from err


def _check_size(phases: Sequence[Phase]) -> None:
    if not phases:
        raise LoadTestError("a load needs at least one phase")
    seconds = math.fsum(phase.seconds for phase in phases)
    if seconds > LONGEST:
        raise LoadTestError(f"{seconds:g} seconds in all: a load lasts at most {LONGEST} seconds")
    expected = math.fsum(phase.arrivals for phase in phases)
    if expected > MOST_ARRIVALS:
        raise LoadTestError(f"{expected:.3g} requests in all, at most {MOST_ARRIVALS}: lower the rate or the duration")


def _streams(seed: int) -> list[np.random.SeedSequence]:
    """The seeds of two independent streams, times and draws: the draws are the same whatever the rates are."""
    if seed < 0:
        raise LoadTestError(f"the seed {seed} is negative: it must be 0 or more")
    return np.random.SeedSequence(seed).spawn(2)


def _draws(seed: int, count: int) -> npt.NDArray[np.uint64]:
    drawn: npt.NDArray[np.uint64] = np.random.PCG64(_streams(seed)[1]).random_raw(count)
    return drawn


def _invert(phase: Phase, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return when, in seconds of the phase, its cumulated rate reaches each point.

    The root of a t + (b - a) t^2 / 2T = p, written so that nothing cancels where the ends are nearly the same.
    """
    points = np.clip(points, 0, phase.arrivals)
    slope = (phase.end_rate - phase.start_rate) / phase.seconds
    divisor = phase.start_rate + np.sqrt(np.maximum(phase.start_rate**2 + 2 * slope * points, 0))
    # Zero at the very start of a ramp from 0 only.
    times = np.divide(2 * points, divisor, out=np.zeros_like(points), where=divisor > 0)
    return np.minimum(times, phase.seconds)


def _read(path: Path, file: TextIO) -> Timetable:
    due: list[int] = []
    draws: list[int] = []
    planned: float | None = None
    drawn = False
    for number, line in _lines(file):
        if line.startswith(_PLANNED):
            planned = _seconds(path, number, line.removeprefix(_PLANNED))
        elif line.startswith("#"):
            continue
        elif line == _HEADER and not due:
            drawn = True
        else:
            seconds, comma, draw = line.partition(",")
            if bool(comma) != drawn:
                form = f'two numbers, as its header "{_HEADER}" says' if drawn else f'one number; "{_HEADER}" heads two'
                raise LoadTestError(f'{path}, line {number}: "{line[:60]}" is not {form}')
            due.append(round(_seconds(path, number, seconds) * _SECOND))
            if len(due) > 1 and due[-1] < due[-2]:
                raise LoadTestError(f"{path}, line {number}: {seconds} is before the time above it: sort the times")
            if drawn:
                draws.append(_draw(path, number, draw))
            if len(due) > MOST_ARRIVALS:
                raise LoadTestError(f"{path}: more than {MOST_ARRIVALS} arrivals: cut the file into several")
    if not due and planned is None:
        raise LoadTestError(f"{path}: it holds no arrivals")
    if planned is None:
        planned = float(due[-1] // _SECOND + 1)
    elif due and due[-1] > planned * _SECOND:
        raise LoadTestError(f"{path}: the last arrival is due after the planned {planned:g} seconds")
    return Timetable(np.array(due, np.int64), np.array(draws, np.uint64) if drawn else _draws(0, len(due)), planned)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, start=1):
        if line := line.strip():
            yield number, line


def _seconds(path: Path, number: int, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as err:
        raise LoadTestError(f'{path}, line {number}: "{text[:60]}" is not a number of seconds') from err
    if not 0 <= seconds <= LONGEST:
        raise LoadTestError(f"{path}, line {number}: {seconds:g} seconds: times lie between 0 and {LONGEST}")
    return seconds


def _draw(path: Path, number: int, text: str) -> int:
    try:
        draw = int(text)
    except ValueError as err:
        raise LoadTestError(f'{path}, line {number}: the draw "{text[:60]}" is not a whole number') from err
    if not 0 <= draw < 2**64:
        raise LoadTestError(f"{path}, line {number}: the draw {draw} does not fit into 64 bits")
    return draw
