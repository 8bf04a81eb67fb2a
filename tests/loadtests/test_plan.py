# SPDX-License-Identifier: Apache-2.0
"""What is to be run, put together from options, profiles and the suites' own SLOs."""

from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import LoadTestError
from loadtests.options import LoadOptions
from loadtests.plan import USE_CASES, Plan, find_suite, make_plan

RATE = LoadOptions(rate="100", duration=10)


def plan(name: str | None = "spam", options: LoadOptions = RATE, **changed: Any) -> Plan:
    told = {"host": None, "profile": None, "slo": None, "tags": (), **changed}
    return make_plan(find_suite(name, options.model), options=options, **told)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_use_case_knows_its_model_its_server_and_its_slo(use_case: str) -> None:
    made = plan(use_case)
    assert made.options.model == use_case
    assert made.host == f"http://{use_case}.localhost:8080"
    assert made.suite.locustfile.is_file()
    assert made.slo.latency


def test_the_model_of_a_use_case_may_have_another_name() -> None:
    made = plan(options=LoadOptions(rate="1", duration=1, model="spam-canary"))
    assert (made.options.model, made.suite.use_case) == ("spam-canary", "spam")


def test_a_profile_says_how_requests_arrive_and_what_must_hold() -> None:
    made = plan(options=LoadOptions(), profile="overload")
    assert made.options.timetable() is not None
    assert made.tags == ("bulk",)
    assert made.slo.goodput is not None
    assert made.about


def test_tags_that_are_given_go_before_those_of_the_profile() -> None:
    assert plan(options=LoadOptions(), profile="overload", tags=("single",)).tags == ("single",)


def test_another_rate_keeps_everything_else() -> None:
    made = plan(options=LoadOptions(rate="50", duration=10, arrivals="constant")).at_rate(75.5, 20, seed=9)
    assert (made.options.rate, made.options.duration, made.options.seed) == ("75.5", 20, 9)
    assert made.options.arrivals == "constant"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        pytest.param({"name": "sham"}, "no suite 'sham'", id="no such suite"),
        pytest.param({"name": "missing.py"}, "missing.py: no such locustfile", id="no such locustfile"),
        pytest.param({"name": None}, "--model NAME --input FILE", id="nothing to load"),
        pytest.param({"options": LoadOptions()}, "--profile smoke", id="no arrivals"),
        pytest.param({"profile": "smoke"}, "leave --rate", id="profile and rate"),
        pytest.param({"options": LoadOptions(), "profile": "fast"}, 'no profile "fast"', id="no such profile"),
        pytest.param({"options": LoadOptions(duration=5)}, "say how requests come", id="duration alone"),
        pytest.param({"options": LoadOptions(rate="1", duration=5, warmup=5)}, "warm-up of 5 s", id="only warm-up"),
        pytest.param({"options": LoadOptions(rate="0", duration=5)}, "must be more than 0", id="no rate"),
        pytest.param({"options": LoadOptions(rate="1", duration=5, replay=Path("t"))}, "--replay brings", id="replay"),
        pytest.param(
            {"name": None, "options": LoadOptions(rate="1", duration=5, model="iris")}, "--slo FILE", id="no SLO"
        ),
        pytest.param(
            {"name": None, "options": LoadOptions(model="iris"), "profile": "smoke"}, "--rate", id="no profiles"
        ),
    ],
)
def test_what_cannot_be_run_is_told_with_what_would_help(told: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LoadTestError) as raised:
        plan(**told)
    assert sentence in str(raised.value)


def test_as_many_requests_may_wait_as_time_out_when_nothing_is_answered() -> None:
    options = LoadOptions(rate="100", duration=10, arrivals="constant", timeout=5)
    assert options.in_flight(options.timetable()) == 600
    assert LoadOptions(max_in_flight=7).in_flight(None) == 7


def test_options_travel_as_plain_values_and_come_back() -> None:
    from argparse import Namespace

    options = LoadOptions(rate="10", duration=3, input=Path("requests.jsonl"), seed=4, warmup=1)
    assert LoadOptions.read(Namespace(**options.plain())) == options
