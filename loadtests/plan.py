# SPDX-License-Identifier: Apache-2.0
"""What is to be run: a suite, the arrivals, the server, and what must hold; put together from options and profiles."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadtests.errors import LoadTestError
from loadtests.judging.slo import Slo, read_slo
from loadtests.options import LoadOptions
from loadtests.profile import Profile, read_profile

_FOLDER: Final = Path(__file__).parent
USE_CASES: Final = ("maintenance", "recommender", "spam")


@dataclass(frozen=True)
class Suite:
    """A locustfile, and the model that it asks.

    Attributes:
        locustfile: Its path.
        model: The model's name; None where only the locustfile knows it.
        use_case: One of ``USE_CASES``, which have profiles and SLOs; None for others.
    """

    locustfile: Path
    model: str | None
    use_case: str | None


def find_suite(name: str | None, model: str | None) -> Suite:
    """Return the suite of a use case, of any model, or of a locustfile.

    Args:
        name: A use case, a path that ends in ``.py``, or None for the suite of any model.
        model: The model's name, where it is another one or the suite does not say.

    Raises:
        LoadTestError: There is no such suite, or the model is not named.
    """
    if name is None:
        if model is None:
            raise LoadTestError(f"say what to load: {', '.join(USE_CASES)}, a locustfile, or --model NAME --input FILE")
        return Suite(_FOLDER / "model.py", model, None)
    if name in USE_CASES:
        return Suite(_FOLDER / f"{name}.py", model or name, name)
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise LoadTestError(f"{name}: no such locustfile")
        return Suite(Path(name), model, None)
    raise LoadTestError(f"no suite {name!r}: there are {', '.join(USE_CASES)}; a locustfile of your own ends in .py")


@dataclass(frozen=True)
class Plan:
    """A load test that can be run.

    Attributes:
        suite: What is sent.
        host: The server's URL.
        options: How requests arrive, and the rest of what the generator is told.
        slo: What must hold.
        tags: Which requests of the suite are sent; empty for all.
        about: What the profile is for; None without one.
    """

    suite: Suite
    host: str
    options: LoadOptions
    slo: Slo
    tags: tuple[str, ...]
    about: str | None

    def at_rate(self, rate: float, seconds: float, seed: int) -> "Plan":
        """Return the same at another rate in requests/s, for so long, with the arrivals of that seed."""
        return replace(self, options=replace(self.options, rate=f"{rate:.12g}", duration=seconds, seed=seed))


def make_plan(
    suite: Suite,
    *,
    host: str | None,
    options: LoadOptions,
    profile: str | None,
    slo: Path | None,
    tags: tuple[str, ...],
) -> Plan:
    """Return the plan; what is given goes before what the profile says.

    Args:
        suite: What is sent.
        host: The server's URL; None is where ``portside predict`` asks the model.
        options: As given on the command line.
        profile: A profile's name.
        slo: The file that says what must hold.
        tags: As given on the command line.

    Raises:
        LoadTestError: Something is missing or contradicts something else.
    """
    chosen = None if profile is None else _profile(suite, profile)
    if chosen is not None:
        if options.rate is not None or options.replay is not None or options.duration is not None:
            raise LoadTestError(f"the profile {profile} says how requests come: leave --rate, --duration, --replay out")
        options = replace(
            options,
            rate=chosen.rate,
            duration=chosen.duration,
            arrivals=chosen.arrivals,
            warmup=options.warmup or chosen.warmup,
        )
        tags = tags or chosen.tags
    elif options.rate is None and options.replay is None:
        known = " or --profile smoke" if suite.use_case else ""
        raise LoadTestError(f"say how requests come: --rate 100 --duration 60, --replay FILE{known}")
    _check(options)
    return Plan(
        suite=suite,
        host=host or _default_host(suite),
        options=replace(options, model=options.model or suite.model),
        slo=read_slo(_slo_file(suite, chosen, slo)),
        tags=tags,
        about=None if chosen is None else chosen.about,
    )


def _profile(suite: Suite, name: str) -> Profile:
    if suite.use_case is None:
        raise LoadTestError(f"profiles are there for {', '.join(USE_CASES)}: say --rate and --duration")
    return read_profile(suite.use_case, name)


def _check(options: LoadOptions) -> None:
    timetable = options.timetable()
    if timetable is not None and options.warmup >= timetable.seconds:
        raise LoadTestError(
            f"nothing would be measured: the warm-up of {options.warmup:g} s is as long as the run of "
            f"{timetable.seconds:g} s"
        )


def _default_host(suite: Suite) -> str:
    if suite.model is None:
        raise LoadTestError("say where the server is: --host http://HOST:PORT")
    return f"http://{suite.model}.localhost:8080"


def _slo_file(suite: Suite, profile: Profile | None, given: Path | None) -> Path:
    if given is not None:
        return given
    if profile is not None and profile.slo is not None:
        return _FOLDER / profile.slo
    if suite.use_case is not None:
        return _FOLDER / "slo" / f"{suite.use_case}.yaml"
    raise LoadTestError("say what must hold: --slo FILE")
