# SPDX-License-Identifier: Apache-2.0
"""What a load test adds to Locust's command line."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from loadtests.errors import LoadTestError
from loadtests.timetable import Timetable, make_timetable, parse_phases, read_timetable

Arrivals = Literal["poisson", "constant"]

#: Of requests that were not answered in time, how many more than the expected number may be under way.
_SLACK: Final = 1.2
_FEWEST_IN_FLIGHT: Final = 64
#: Locust raises the limit of open files to 10,000; some are needed for other things.
_MOST_IN_FLIGHT: Final = 8_000

DEFAULT_TIMEOUT: Final = 10.0
DEFAULT_SEED: Final = 1


@dataclass(frozen=True)
class LoadOptions:
    """How requests arrive, where they go, and what is kept of the run.

    Attributes:
        rate: Requests/s as text for ``parse_phases``; None where every Locust user brings a rate of its own.
        duration: Seconds, unless the phases of ``rate`` have lengths of their own.
        arrivals: "poisson" or "constant".
        seed: Of the timetable, and of the choice of requests.
        replay: A recorded timetable, in the place of ``rate``.
        save_timetable: Where the timetable is written.
        warmup: Seconds from the start that are not measured.
        timeout: Seconds after which a request counts as failed.
        max_in_flight: How many requests one process may have under way; None: as many as the rate and time-out ask for.
        grpc_host: ``HOST:PORT`` for requests over gRPC; None sends none.
        connect_to: The host that is connected to, whatever host the requests name; the ports stay.
        model: The model, where the locustfile does not say.
        model_version: The version that is asked for; None: whichever is served.
        input: A file of requests.
        golden: A file of requests with the right answers, as an artifact has.
        run_file: Where what was measured is written.
    """

    rate: str | None = None
    duration: float | None = None
    arrivals: Arrivals = "poisson"
    seed: int = DEFAULT_SEED
    replay: Path | None = None
    save_timetable: Path | None = None
    warmup: float = 0.0
    timeout: float = DEFAULT_TIMEOUT
    max_in_flight: int | None = None
    grpc_host: str | None = None
    connect_to: str | None = None
    model: str | None = None
    model_version: str | None = None
    input: Path | None = None
    golden: Path | None = None
    run_file: Path | None = None

    @classmethod
    def read(cls, parsed: argparse.Namespace) -> "LoadOptions":
        """Return what Locust has parsed; a text that is empty, as in its web page, counts as not given."""
        given = {name: getattr(parsed, name, None) for name in cls.__dataclass_fields__}
        paths = ("replay", "save_timetable", "input", "golden", "run_file")
        kept: dict[str, Any] = {
            name: Path(value) if name in paths else value for name, value in given.items() if value not in (None, "")
        }
        return cls(**kept)

    def describe_arrivals(self) -> str:
        """Return in words how requests arrive."""
        if self.replay is not None:
            return f"replay of {self.replay.name}"
        if self.rate is None:
            return "each Locust user brings its own"
        lasting = "" if self.duration is None else f" for {self.duration:g} s"
        return f"{self.arrivals}, {self.rate} requests/s{lasting}"

    def given(self) -> dict[str, str]:
        """Return what differs from the defaults, as on the command line."""
        told = ((one.name, getattr(self, one.name), one.default) for one in fields(self) if one.name != "run_file")
        return {f"--{name.replace('_', '-')}": str(value) for name, value, default in told if value != default}

    def plain(self) -> dict[str, object]:
        """Return the options as values that a message can carry; ``read`` takes them back."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}

    def timetable(self) -> Timetable | None:
        """Return the arrivals fixed in advance; None where every user brings its own.

        Raises:
            LoadTestError: The options contradict each other or the timetable cannot be read.
        """
        if self.replay is not None:
            if self.rate is not None or self.duration is not None:
                raise LoadTestError("--replay brings its own times: leave --rate and --duration out")
            return read_timetable(self.replay)
        if self.rate is None:
            if self.duration is not None:
                raise LoadTestError("--duration needs --rate; plain Locust users are ended by --run-time")
            return None
        return make_timetable(parse_phases(self.rate, self.duration), self.arrivals, self.seed)

    def in_flight(self, timetable: Timetable | None) -> int:
        """Return how many requests one process may have under way.

        As many as a server that answers nothing leaves under way until they time out: a slow server is then never the
        reason for an arrival that is not sent.
        """
        if self.max_in_flight is not None:
            return self.max_in_flight
        if timetable is None:
            return _MOST_IN_FLIGHT
        busiest = max(timetable.per_second(), default=0)
        return min(max(int(busiest * self.timeout * _SLACK), _FEWEST_IN_FLIGHT), _MOST_IN_FLIGHT)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to Locust's parser, in a group of their own."""
    group = parser.add_argument_group("Open-loop load")
    group.add_argument("--rate", metavar="TEXT", help='requests/s: "200", "50..400" (a ramp), "50,100,200" (steps)')
    group.add_argument("--duration", type=float, metavar="SECONDS", help="how long requests arrive")
    group.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson", help="how they arrive")
    group.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the same seed gives the same timetable")
    group.add_argument("--replay", metavar="FILE", help="a recorded timetable, in the place of --rate")
    group.add_argument("--save-timetable", metavar="FILE", help="write the timetable, to replay it")
    group.add_argument("--warmup", type=float, default=0.0, metavar="SECONDS", help="how long nothing is measured")
    group.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="when a request counts as failed"
    )
    group.add_argument("--max-in-flight", type=int, metavar="N", help="requests under way at once, for each process")
    group.add_argument("--grpc-host", metavar="HOST:PORT", help="where gRPC is served; without it all is REST")
    group.add_argument("--connect-to", metavar="HOST", help="connect there, whatever host the requests name")
    group.add_argument("--model", metavar="NAME", help="the model, for loadtests/model.py")
    group.add_argument("--model-version", metavar="VERSION", help="the version to ask for")
    group.add_argument("--input", metavar="FILE", help="V2 requests, one JSON object a line")
    group.add_argument("--golden", metavar="FILE", help="an artifact's golden.json: requests whose answers are known")
    group.add_argument("--run-file", metavar="FILE", help="write what was measured")
