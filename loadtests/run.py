# SPDX-License-Identifier: Apache-2.0
"""A run that is over: what was asked of it, what it measured, and where; read and written as JSON."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Final, Self

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from loadtests.errors import LoadTestError
from loadtests.judging.evidence import Evidence
from loadtests.measurements import Measurements

_SCHEMA: Final = "portside.dev/loadtest-run/v1"
_CONFIG: Final = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


@dataclass(frozen=True, eq=False, config=_CONFIG)
class Run:
    """A run.

    Attributes:
        measurements: What became of the requests that were due after the warm-up.
        asked: Of each second from the start: how many requests the timetable has due in it, the warm-up's too; empty
            where every Locust user brought its own.
        to_measure: How many of these are due after the warm-up; without a timetable, how many there were.
        seconds: How long the timetable is.
        elapsed: How long the run took, from the first moment of the timetable to the last answer.
        warmup: Seconds from the start that are not measured.
        arrivals: How requests arrived, in words.
        seed: Of the timetable, and of the choice of requests.
        digest: SHA-256 of the timetable; "" without one.
        model: The model that was asked; "" where only the locustfile knows.
        host: The server's URL.
        started: When, in UTC, as ISO 8601.
        workers: How many processes sent requests.
        interrupted: Whether it was ended before the timetable was.
        cpu: The share of a core that the busiest of them used, 1 being all of it.
        options: What the run was started with, by option.
        environment: The machine; see ``describe_environment``.
    """

    measurements: Measurements
    asked: tuple[int, ...]
    to_measure: int
    seconds: float
    elapsed: float
    warmup: float
    arrivals: str
    seed: int
    digest: str
    model: str
    host: str
    started: str
    workers: int
    interrupted: bool
    cpu: float
    options: dict[str, str]
    environment: dict[str, str | float | None]

    def evidence(self) -> Evidence:
        """Return what a verdict rests on."""
        lag = self.measurements.lag
        return Evidence(
            seconds=self.measurements.seconds(),
            asked=self.to_measure,
            dropped=sum(self.measurements.dropped.values()),
            lag_p99_us=lag.percentile(0.99) if lag.count else 0,
            interrupted=self.interrupted,
            cpu=self.cpu,
            workers=self.workers,
        )

    @property
    def asked_rate(self) -> float:
        """How many requests/s were to be measured, on average."""
        return self.to_measure / self._measured_seconds

    @property
    def achieved_rate(self) -> float:
        """How many requests/s were sent and measured, on average."""
        return self.measurements.total.requests / self._measured_seconds

    def generator_line(self) -> str:
        """Return in one line how well the generator did."""
        lag = self.measurements.lag
        late = f"{lag.percentile(0.99) / 1000:.3g} ms" if lag.count else "-"
        return (
            f"generator: {self.asked_rate:,.4g} requests/s asked, {self.achieved_rate:,.4g} achieved; "
            f"p99 {late} late, {sum(self.measurements.dropped.values()):,} dropped; {self.cpu:.0%} of a core".replace(
                "%", " %"
            )
        )

    def failures_line(self) -> str | None:
        """Return in one line why requests failed; None where none did."""
        tallies = self.measurements.tallies(lambda cell: cell.code)
        failed = sorted(((one.failed, code) for code, one in tallies.items() if one.failed), reverse=True)
        return f"failed: {', '.join(f'{count:,} {code}' for count, code in failed)}" if failed else None

    @property
    def _measured_seconds(self) -> float:
        return max(self.seconds - self.warmup, 1e-9)

    def write(self, path: Path) -> None:
        """Write the run as JSON."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        told = {"schema": _SCHEMA, **plain, "measurements": self.measurements.to_json()}
        path.write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the run that ``write`` wrote.

        Raises:
            LoadTestError: The file holds something else.
        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            _check_schema(told.pop("schema"))
            measurements = Measurements.from_json(told.pop("measurements"))
            parts = {**told, "measurements": measurements, "asked": tuple(told["asked"])}
            return cls(**parts)
        except (LoadTestError, OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise LoadTestError(f"{path}: not a run of a load test ({err})") from err


def reason_file(run_file: Path) -> Path:
    """Return where it is told why there is no run, in the place of the run."""
    return run_file.with_suffix(".failed")


def _check_schema(schema: object) -> None:
    if schema != _SCHEMA:
        raise ValueError(f"another schema than {_SCHEMA}")
