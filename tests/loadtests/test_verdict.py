# SPDX-License-Identifier: Apache-2.0
"""Verdicts on runs made by hand, with the histograms of the product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import pytest

from loadtests.histogram import Histogram
from loadtests.judging.evidence import Evidence
from loadtests.judging.objective import Outcome
from loadtests.judging.slo import Slo, read_slo
from loadtests.judging.verdict import Verdict, judge
from loadtests.judging.verdict_text import text_lines

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
MS = 1_000


@dataclass(frozen=True)
class Second:
    second: int
    requests: int
    failed: int
    latency: Histogram = field(default_factory=Histogram)


def second(number: int, durations: Sequence[int], failed: int = 0) -> Second:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    return Second(number, len(durations) + failed, failed, histogram)


def run(*seconds: Second) -> Evidence:
    asked = sum(one.requests for one in seconds)
    return Evidence(seconds, asked=asked, dropped=0, lag_p99_us=300, cpu=0.3, workers=1)


def steady(seconds: int = 60, rate: int = 100, slow: int = 0, failed: int = 0, first: int = 0) -> Evidence:
    """Of each second's requests ``slow`` take 200 ms, ``failed`` fail, and the others take 10 ms."""
    durations = [10 * MS] * (rate - slow - failed) + [200 * MS] * slow
    return run(*(second(first + number, durations, failed) for number in range(seconds)))


def slo(**stated: object) -> Slo:
    return Slo.model_validate(stated)


P99 = slo(latency={"p99": "100ms"})


def outcomes(verdict: Verdict) -> list[Outcome]:
    return [one.outcome for one in verdict.objectives]


def test_a_server_well_within_its_limits_passes() -> None:
    stated = slo(
        latency={"p50": "20ms", "p99": "100ms"}, error_rate=0.002, goodput={"within": "100ms", "at_least": 0.99}
    )
    verdict = judge(stated, steady())
    assert verdict.outcome is PASS
    assert outcomes(verdict) == [PASS] * 4
    assert (verdict.requests, verdict.failed, verdict.more_requests) == (6000, 0, None)
    assert [one.measured for one in verdict.objectives] == pytest.approx([10 * MS, 10 * MS, 0, 1], rel=0.001)


def test_a_slow_server_fails_and_its_figures_are_told() -> None:
    verdict = judge(P99, steady(slow=5))
    (p99,) = verdict.objectives
    assert (verdict.outcome, p99.outcome) == (FAIL, FAIL)
    assert p99.measured == p99.low == p99.high == pytest.approx(200 * MS, rel=0.001)


def test_one_objective_that_fails_is_enough() -> None:
    verdict = judge(slo(latency={"p50": "20ms", "p99": "100ms"}), steady(slow=5))
    assert outcomes(verdict) == [PASS, FAIL]
    assert verdict.outcome is FAIL


def test_a_request_that_fails_is_never_answered() -> None:
    verdict = judge(P99, steady(failed=5))
    (p99,) = verdict.objectives
    assert verdict.outcome is FAIL
    assert p99.measured == p99.low == p99.high == float("inf")
    assert verdict.failed == 300


def test_failures_fewer_than_a_percentile_leaves_out_do_not_break_it() -> None:
    verdict = judge(slo(latency={"p90": "100ms"}), steady(failed=2))
    assert verdict.outcome is PASS


def test_goodput_counts_failures_and_late_answers() -> None:
    stated = slo(goodput={"within": "100ms", "at_least": 0.9})
    assert judge(stated, steady(failed=2, slow=2)).outcome is PASS
    verdict = judge(stated, steady(failed=10, slow=10))
    (goodput,) = verdict.objectives
    assert verdict.outcome is FAIL
    assert goodput.measured == pytest.approx(0.8)
    assert goodput.low is not None
    assert goodput.high is not None
    assert goodput.low < 0.8 < goodput.high < 0.9


def test_a_figure_at_the_limit_is_inconclusive_and_no_number_of_requests_would_do() -> None:
    verdict = judge(P99, steady(slow=1))
    assert (verdict.outcome, verdict.more_requests) == (INCONCLUSIVE, None)
    assert "too near the limit for any number of requests" in " ".join(text_lines(verdict))


@pytest.mark.parametrize(
    ("percentile", "slow", "outcome"), [("p98", 3, FAIL), ("p99", 0, PASS), ("p96", 3, PASS)], ids=str
)
def test_as_many_more_requests_as_told_decide(percentile: str, slow: int, outcome: Outcome) -> None:
    stated = slo(latency={percentile: "100ms"})
    short = judge(stated, steady(3, slow=slow))
    assert short.outcome is INCONCLUSIVE
    assert short.more_requests is not None
    seconds = 3 + -(-short.more_requests // 100)
    assert judge(stated, steady(seconds, slow=slow)).outcome is outcome
    assert judge(stated, steady(seconds - 1, slow=slow)).outcome is INCONCLUSIVE


def test_the_verdict_waits_for_all_objectives_that_may_pass_or_the_first_that_fails() -> None:
    to_pass = judge(slo(latency={"p99": "100ms"}, error_rate=0.001), steady(3))
    needed = [one.more_requests for one in to_pass.objectives]
    assert None not in needed
    assert to_pass.more_requests == max(one or 0 for one in needed)
    to_fail = judge(slo(latency={"p98": "100ms"}, error_rate=0.001), steady(3, slow=3))
    assert to_fail.more_requests == to_fail.objectives[0].more_requests
    assert to_fail.more_requests is not None


def test_too_few_requests_for_a_percentile_leave_its_interval_open() -> None:
    verdict = judge(P99, steady(3))
    (p99,) = verdict.objectives
    assert (p99.high, verdict.outcome) == (None, INCONCLUSIVE)
    assert verdict.more_requests == 367 - 300 + 1  # log(0.025) / log(0.99) = 367.04


def test_below_min_requests_nothing_is_said_not_even_fail() -> None:
    stated = slo(latency={"p50": "100ms"}, min_requests=1000)
    for evidence in (steady(6), steady(6, slow=100)):
        verdict = judge(stated, evidence)
        assert (verdict.outcome, verdict.more_requests) == (INCONCLUSIVE, 400)
        assert verdict.remarks == ("600 requests were measured, 400 fewer than the 1,000 that min_requests asks for",)


def test_all_requests_failed() -> None:
    verdict = judge(slo(latency={"p50": "1s"}, error_rate=0.01), steady(failed=100))
    assert (verdict.outcome, outcomes(verdict)) == (FAIL, [FAIL, FAIL])
    assert verdict.remarks == ("every request failed",)
    assert "never to never" in list(text_lines(verdict))[1]


def test_no_requests_at_all() -> None:
    verdict = judge(slo(latency={"p50": "1s"}, error_rate=0.01), run())
    assert (verdict.outcome, outcomes(verdict)) == (INCONCLUSIVE, [INCONCLUSIVE, INCONCLUSIVE])
    assert verdict.more_requests is None
    assert verdict.remarks == (
        "no request was measured: the run was shorter than its warm-up, or its timetable is empty",
    )
    assert list(text_lines(verdict))[-1] == "INCONCLUSIVE: nothing was measured"


def test_one_second_is_too_short_for_a_verdict_on_rare_events() -> None:
    verdict = judge(slo(latency={"p90": "100ms"}), run(second(0, [10 * MS] * 1000 + [20 * MS] * 200)))
    assert verdict.outcome is INCONCLUSIVE
    assert "the run lasted one second" in verdict.remarks[0]


def test_bad_requests_that_come_together_count_as_few() -> None:
    stated = slo(error_rate=0.004)
    spread = run(*(second(number, [10 * MS] * 99, 1) for number in range(60)))
    bunched = run(
        *(second(number, [10 * MS] * (40 if number == 30 else 100), 60 * (number == 30)) for number in range(60))
    )
    assert judge(stated, spread).outcome is FAIL
    verdict = judge(stated, bunched)
    assert verdict.outcome is INCONCLUSIVE
    assert judge(stated, spread).objectives[0].measured == verdict.objectives[0].measured == 0.01
    assert verdict.objectives[0].effect > 50


def test_a_server_that_dies_late_in_the_run_fails_its_error_rate() -> None:
    evidence = run(*(second(number, [10 * MS] * 100 * (number < 57), 100 * (number >= 57)) for number in range(60)))
    verdict = judge(slo(error_rate=0.001), evidence)
    assert verdict.outcome is FAIL
    assert verdict.remarks == ("the server went silent: every request that was due in the last 3 s failed",)


def test_it_does_not_matter_which_seconds_they_are_nor_in_which_order() -> None:
    early, late = (judge(P99, steady(slow=1, first=first)) for first in (0, 500))
    backwards = steady(slow=1)
    backwards = replace(backwards, seconds=tuple(reversed(backwards.seconds)))
    assert early == late == judge(P99, backwards)


@pytest.mark.parametrize(
    ("spoiled", "sentence"),
    [
        (
            lambda sound: replace(sound, lag_p99_us=38_000),
            "the generator fell behind: requests left 38 ms late at the 99th percentile (limit 10 ms)",
        ),
        (
            lambda sound: replace(sound, dropped=12, asked=sound.asked + 12),
            "12 arrivals were dropped: too many requests were under way; use a lower rate or a shorter --timeout",
        ),
        (
            lambda sound: replace(sound, cpu=0.973),
            "a generator process used 97 % of a core (limit 90 %): use --workers 2 or a lower rate",
        ),
        (
            lambda sound: replace(sound, asked=sound.asked + 1),
            "1 request of the 6,001 asked for left no record: a generator process ended early or was lost",
        ),
    ],
    ids=["late", "dropped", "busy", "lost"],
)
@pytest.mark.parametrize("slow", [0, 50])
def test_a_generator_that_fell_behind_makes_all_inconclusive(
    spoiled: Callable[[Evidence], Evidence], sentence: str, slow: int
) -> None:
    verdict = judge(P99, spoiled(steady(slow=slow)))
    assert (verdict.outcome, outcomes(verdict), verdict.more_requests) == (INCONCLUSIVE, [INCONCLUSIVE], None)
    assert verdict.generator == (sentence,)
    assert sentence in list(text_lines(verdict))


def test_how_late_requests_may_leave_is_an_option() -> None:
    late = replace(steady(), lag_p99_us=38_000)
    assert judge(P99, late, max_lag_us=40_000).outcome is PASS


def test_a_verdict_is_readable_in_100_columns() -> None:
    stated = slo(
        latency={"p50": "20ms", "p99": "100ms", "p99.9": "1.5s"},
        error_rate=0.001,
        goodput={"within": "1.25s", "at_least": 0.9995},
    )
    spoiled = replace(steady(slow=1, failed=1), lag_p99_us=38_000, dropped=123_456, cpu=1.5, asked=10_000_000)
    for verdict in (judge(stated, steady()), judge(stated, spoiled), judge(stated, run())):
        assert all(len(line) <= 100 for line in list(text_lines(verdict)))


def test_the_table_tells_each_objective_in_a_line() -> None:
    stated = slo(latency={"p50": "20ms", "p99.9": "250ms"}, error_rate=0.05)
    lines = list(text_lines(judge(stated, steady(slow=1))))
    assert [line.split("  ")[0] for line in lines[:4]] == ["objective", "p50 latency", "p99.9 latency", "error rate"]
    assert [line.split()[-1] for line in lines[:4]] == ["outcome", "PASS", "PASS", "PASS"]
    assert "<= 250 ms" in lines[2]
    assert "200 ms" in lines[2]
    assert lines[-1] == "PASS: 6,000 requests show that the SLO is kept"


def test_a_verdict_is_plain_json() -> None:
    told = judge(slo(latency={"p99": "100ms"}, error_rate=0.01), steady(failed=5)).to_json()
    assert orjson.loads(orjson.dumps(told)) == told
    assert isinstance(told["objectives"], list)
    p99, error_rate = told["objectives"]
    assert (told["outcome"], p99["outcome"], p99["measured"], p99["high"]) == ("FAIL", "FAIL", "never", "never")
    assert (error_rate["unit"], error_rate["limit"], error_rate["measured"]) == ("share", 0.01, 0.05)


@pytest.mark.parametrize("use_case", ["spam", "maintenance", "recommender"])
def test_the_smoke_slo_can_pass_with_200_requests_and_the_steady_one_with_8500(use_case: str) -> None:
    folder = Path(__file__).parents[2] / "loadtests" / "slo"
    assert judge(read_slo(folder / f"{use_case}-smoke.yaml"), steady(10, 20)).outcome is PASS
    assert judge(read_slo(folder / f"{use_case}.yaml"), steady(85)).outcome is PASS
