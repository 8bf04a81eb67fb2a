# SPDX-License-Identifier: Apache-2.0
"""Arrivals that are fixed in advance: their law, their bytes, and the texts they are made of."""

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loadtests.errors import LoadTestError
from loadtests.timetable import (
    LONGEST,
    MOST_ARRIVALS,
    Phase,
    Timetable,
    make_timetable,
    parse_phases,
    read_timetable,
    write_timetable,
)

Arrivals = Literal["poisson", "constant"]

LAWS = ("poisson", "constant")

rates = st.floats(0.01, 2000, allow_nan=False)
lengths = st.floats(0.01, 3, allow_nan=False)
phases = st.lists(
    st.one_of(
        st.builds(lambda rate, seconds: Phase(rate, rate, seconds), rates, lengths),
        st.builds(Phase, rates, rates, lengths),
        st.builds(Phase, st.just(0.0), rates, lengths),
        st.builds(Phase, rates, st.just(0.0), lengths),
    ),
    min_size=1,
    max_size=4,
)
laws = st.sampled_from(LAWS)
seeds = st.integers(0, 2**64)


def expected(made: tuple[Phase, ...] | list[Phase]) -> float:
    return sum((phase.start_rate + phase.end_rate) / 2 * phase.seconds for phase in made)


def cumulated(made: tuple[Phase, ...] | list[Phase], seconds: float) -> float:
    """The integral of the rate up to a time, added up the plain way."""
    total = 0.0
    for phase in made:
        inside = min(max(seconds, 0.0), phase.seconds)
        total += phase.start_rate * inside
        total += (phase.end_rate - phase.start_rate) * inside**2 / (2 * phase.seconds)
        seconds -= phase.seconds
    return total


def same(one: Timetable, other: Timetable) -> bool:
    return (
        one.due_ns.tobytes() == other.due_ns.tobytes()
        and one.draws.tobytes() == other.draws.tobytes()
        and one.seconds == other.seconds
    )


@given(phases, laws, seeds)
def test_the_same_seed_gives_the_same_bytes(made: list[Phase], law: Arrivals, seed: int) -> None:
    one, other = make_timetable(made, law, seed), make_timetable(made, law, seed)
    assert same(one, other)
    assert one.digest() == other.digest()


@given(st.floats(10, 2000), seeds, seeds)
def test_another_seed_gives_other_bytes(rate: float, seed: int, other: int) -> None:
    made = [Phase(rate, rate, 3)]
    one, two = (make_timetable(made, "poisson", number) for number in (seed, other))
    assert (one.digest() == two.digest()) == (seed == other)
    assert (make_timetable(made, "constant", seed).digest() == make_timetable(made, "constant", other).digest()) == (
        seed == other
    )


@given(phases, laws, seeds)
def test_arrivals_are_sorted_and_within_the_planned_length(made: list[Phase], law: Arrivals, seed: int) -> None:
    timetable = make_timetable(made, law, seed)
    assert timetable.due_ns.dtype == np.int64
    assert timetable.draws.dtype == np.uint64
    assert len(timetable.due_ns) == len(timetable.draws)
    assert (np.diff(timetable.due_ns) >= 0).all()
    assert timetable.seconds == pytest.approx(sum(phase.seconds for phase in made))
    assert ((timetable.due_ns >= 0) & (timetable.due_ns < timetable.seconds * 1e9)).all()


@given(phases)
def test_constant_arrivals_are_as_many_as_the_integral_of_the_rate_to_one(made: list[Phase]) -> None:
    timetable = make_timetable(made, "constant", 0)
    assert abs(len(timetable.due_ns) - expected(made)) <= 0.5 + 1e-6


@given(phases)
def test_constant_arrivals_follow_the_integral_of_the_rate_at_every_moment(made: list[Phase]) -> None:
    timetable = make_timetable(made, "constant", 0)
    for number, due in enumerate(timetable.due_ns.tolist()):
        # At the end of a ramp down to 0 the time is that of a vanishing rate; the cumulated rate is exact nevertheless.
        assert cumulated(made, due / 1e9) == pytest.approx(number + 0.5, abs=1e-4)


def test_a_whole_constant_rate_is_the_same_in_every_second() -> None:
    assert make_timetable(parse_phases("100", 6), "constant", 1).per_second() == [100] * 6
    assert make_timetable(parse_phases("0.1", 30), "constant", 1).per_second() == ([0] * 5 + [1] + [0] * 4) * 3


def test_steps_share_the_duration_equally() -> None:
    assert make_timetable(parse_phases("50,100,200", 6), "constant", 1).per_second() == [50, 50, 100, 100, 200, 200]


@pytest.mark.parametrize("text", ["0..200", "50..400", "400..50", "100..0"])
@pytest.mark.parametrize("law", LAWS)
def test_a_ramp_follows_the_integral_of_its_rate_second_by_second(text: str, law: Arrivals) -> None:
    made = parse_phases(text, 40)
    counts = make_timetable(made, law, 7).per_second()
    due = [cumulated(made, second + 1) - cumulated(made, second) for second in range(40)]
    assert len(counts) == 40
    if law == "constant":
        assert max(abs(count - share) for count, share in zip(counts, due, strict=True)) <= 1
    else:
        # Each count is Poisson: the squared distances over the expected counts are chi-square of 40 degrees.
        distance = sum((count - share) ** 2 / share for count, share in zip(counts, due, strict=True))
        assert stats.chi2.sf(distance, 40) > 0.01


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_gaps_are_exponential(seed: int) -> None:
    timetable = make_timetable(parse_phases("200", 100), "poisson", seed)
    gaps = np.diff(timetable.due_ns) / 1e9
    assert stats.kstest(gaps, "expon", args=(0, 1 / 200)).pvalue > 0.01
    # And do not remember one another.
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 3 / math.sqrt(len(gaps))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_counts_per_second_have_the_variance_of_their_mean(seed: int) -> None:
    counts = np.array(make_timetable(parse_phases("50", 1000), "poisson", seed).per_second())
    # The dispersion test: sum (count - mean)^2 / mean is chi-square of n - 1 degrees.
    dispersion = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    assert 0.005 < stats.chi2.sf(dispersion, 999) < 0.995
    assert abs(counts.sum() - 50_000) < 3 * math.sqrt(50_000)


def test_the_count_of_poisson_arrivals_is_itself_poisson() -> None:
    counts = np.array([len(make_timetable(parse_phases("20", 2), "poisson", seed).due_ns) for seed in range(2000)])
    dispersion = ((counts - 40) ** 2).sum() / 40
    assert 0.005 < stats.chi2.sf(dispersion, 2000) < 0.995


def test_a_poisson_ramp_is_the_unit_process_seen_through_its_integral() -> None:
    made = parse_phases("10..300@50s,40@30s,300..0@20s", None)
    timetable = make_timetable(made, "poisson", 11)
    units = np.array([cumulated(made, due / 1e9) for due in timetable.due_ns.tolist()])
    assert stats.kstest(np.diff(units), "expon").pvalue > 0.01


def test_draws_use_all_bits_evenly_and_the_rates_do_not_move_them() -> None:
    slow, fast = (make_timetable(parse_phases(rate, 20), "poisson", 5) for rate in ("50", "500..900"))
    assert (fast.draws[: len(slow.draws)] == slow.draws).all()
    assert stats.kstest(fast.draws / 2.0**64, "uniform").pvalue > 0.01
    assert stats.chisquare(np.bincount(fast.draws % np.uint64(10))).pvalue > 0.01


@given(phases, laws, seeds, st.integers(1, 7))
def test_shares_part_the_timetable_without_rest(made: list[Phase], law: Arrivals, seed: int, of: int) -> None:
    timetable = make_timetable(made, law, seed)
    shares = [timetable.share(number, of) for number in range(of)]
    together = sorted(
        pair for share in shares for pair in zip(share.due_ns.tolist(), share.draws.tolist(), strict=True)
    )
    assert together == sorted(zip(timetable.due_ns.tolist(), timetable.draws.tolist(), strict=True))
    sizes = [len(share.due_ns) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert {share.seconds for share in shares} == {timetable.seconds}
    assert np.sum([share.per_second() for share in shares], axis=0).tolist() == timetable.per_second()


@pytest.mark.parametrize(("number", "of"), [(-1, 2), (2, 2), (0, 0)])
def test_there_are_no_other_shares(number: int, of: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        make_timetable(parse_phases("10", 1), "constant", 1).share(number, of)


@given(phases, laws, seeds)
def test_what_is_written_reads_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, made: list[Phase], law: Arrivals, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("timetable")
    timetable = make_timetable(made, law, seed)
    write_timetable(timetable, folder / "one.csv")
    read = read_timetable(folder / "one.csv")
    write_timetable(read, folder / "two.csv")
    assert same(read, timetable)
    assert read.digest() == timetable.digest()
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()


@given(st.lists(st.integers(0, LONGEST * 10**9), min_size=1))
def test_times_of_many_days_read_back_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, times: list[int]
) -> None:
    path = tmp_path_factory.mktemp("timetable") / "long.csv"
    timetable = Timetable(np.array(sorted(times), np.int64), np.zeros(len(times), np.uint64), float(LONGEST))
    write_timetable(timetable, path)
    assert same(read_timetable(path), timetable)


def test_a_written_timetable_is_plain_text(tmp_path: Path) -> None:
    write_timetable(make_timetable(parse_phases("2", 1.5), "constant", 0), tmp_path / "timetable.csv")
    planned, header, *arrivals = (tmp_path / "timetable.csv").read_text().splitlines()
    assert (planned, header) == ("# planned seconds: 1.5", "seconds,draw")
    assert [arrival.partition(",")[0] for arrival in arrivals] == ["0.250000000", "0.750000000", "1.250000000"]


def test_a_file_of_times_alone_is_replayed_with_the_draws_of_seed_0(tmp_path: Path) -> None:
    (tmp_path / "times").write_text("# from the gateway's log\n0.5\n0.5\n\n1.25\n3")
    timetable = read_timetable(tmp_path / "times")
    assert timetable.due_ns.tolist() == [500_000_000, 500_000_000, 1_250_000_000, 3_000_000_000]
    assert timetable.draws.tolist() == make_timetable(parse_phases("4", 1), "constant", 0).draws.tolist()
    assert timetable.seconds == 4
    assert timetable.per_second() == [2, 1, 0, 1]


def test_a_timetable_without_arrivals_keeps_its_length(tmp_path: Path) -> None:
    write_timetable(make_timetable(parse_phases("0.1", 2), "constant", 1), tmp_path / "timetable.csv")
    assert read_timetable(tmp_path / "timetable.csv").per_second() == [0, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.1\n0.3\n0.2\n", "line 3: 0.2 is before the time above it"),
        ("0.1\n-0.3\n", "line 2: -0.3 seconds: times lie between 0 and"),
        ("0.1\nsoon\n", 'line 2: "soon" is not a number of seconds'),
        ("0.1\nnan\n", "line 2: nan seconds: times lie between 0 and"),
        ("0.1\n1e300\n", "line 2: 1e[+]300 seconds: times lie between 0 and"),
        ("0.1,5\n", 'line 1: "0.1,5" is not one number; "seconds,draw" heads two'),
        ("seconds,draw\n0.1\n", 'line 2: "0.1" is not two numbers'),
        ("seconds,draw\n0.1,5,6\n", 'line 2: the draw "5,6" is not a whole number'),
        ("seconds,draw\n0.1,-1\n", "line 2: the draw -1 does not fit into 64 bits"),
        ("seconds,draw\n0.1,18446744073709551616\n", "line 2: the draw 18446744073709551616 does not fit"),
        ("# planned seconds: long\n0.1\n", 'line 1: "long" is not a number of seconds'),
        ("# planned seconds: 2\n2.5\n", "the last arrival is due after the planned 2 seconds"),
        ("", "it holds no arrivals"),
        ("seconds,draw\n", "it holds no arrivals"),
        ("0.1\u00e9\n", "it holds more than plain text"),
    ],
)
def test_a_file_that_is_no_timetable_is_refused_and_the_line_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "times").write_text(text, encoding="utf-8")
    with pytest.raises(LoadTestError, match=told):
        read_timetable(tmp_path / "times")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r"none\.csv: the timetable cannot be read \(No such file or directory\)"):
        read_timetable(tmp_path / "none.csv")
    with pytest.raises(LoadTestError, match=r"no/where\.csv: the timetable cannot be written"):
        write_timetable(make_timetable(parse_phases("1", 1), "constant", 1), tmp_path / "no" / "where.csv")


@pytest.mark.parametrize(
    ("text", "duration", "made"),
    [
        ("200", 60, (Phase(200, 200, 60),)),
        ("0.5", 60, (Phase(0.5, 0.5, 60),)),
        ("50..400", 30, (Phase(50, 400, 30),)),
        ("0..400", 30, (Phase(0, 400, 30),)),
        ("50, 100, 200", 6, (Phase(50, 50, 2), Phase(100, 100, 2), Phase(200, 200, 2))),
        ("50,50..100", 4, (Phase(50, 50, 2), Phase(50, 100, 2))),
        ("50@10s,50..400@20.5s", None, (Phase(50, 50, 10), Phase(50, 400, 20.5))),
    ],
)
def test_a_text_describes_phases(text: str, duration: float | None, made: tuple[Phase, ...]) -> None:
    assert parse_phases(text, duration) == made


@pytest.mark.parametrize(
    ("text", "duration", "told"),
    [
        ("0", 10, "it must be more than 0"),
        ("-5", 10, "a rate of -5 requests/s: it must be more than 0"),
        ("0..0", 10, "it must be more than 0"),
        ("10..-5", 10, "a rate of -5 requests/s: it must be more than 0"),
        ("10,0", 10, "it must be more than 0"),
        ("9" * 400, 10, "a rate of inf requests/s"),
        ("200", None, 'needs a duration in seconds, or lengths of its own as in "200@10s"'),
        ("200@10s", 10, "says how long each phase is: leave the duration out"),
        ("200@10s,300", None, "gives only some phases a length"),
        ("200@10s,300", 10, "gives only some phases a length"),
        ("200@0s", None, "0 seconds: a load lasts more than 0"),
        ("200@-3s", None, "-3 seconds: a load lasts more than 0"),
        ("200", 0, "a duration of 0 seconds: it must be more than 0"),
        ("200", -1, "a duration of -1 seconds"),
        ("200", math.nan, "a duration of nan seconds"),
        ("200", math.inf, "a duration of inf seconds"),
        ("1@600000s,1@600000s", None, "1.2e[+]06 seconds in all: a load lasts at most"),
        ("100000", 3600, f"requests in all, at most {MOST_ARRIVALS}"),
        ("", 10, "cannot be read"),
        ("fast", 10, "cannot be read"),
        ("1e3", 10, "cannot be read"),
        ("nan", 10, "cannot be read"),
        ("10..", 10, "cannot be read"),
        ("1...5", 10, "cannot be read"),
        ("10..20..30", 10, "cannot be read"),
        ("10,,20", 10, "cannot be read"),
        ("10@5", None, "cannot be read"),
        ("10/s", 10, "cannot be read"),
        ("\u0661\u0660", 10, "cannot be read"),
    ],
)
def test_a_text_that_describes_none_is_refused_with_a_sentence(text: str, duration: float | None, told: str) -> None:
    with pytest.raises(LoadTestError, match=told):
        parse_phases(text, duration)


@given(st.text("0123456789.,@s- ", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        made = parse_phases(text, 10)
    except LoadTestError as err:
        assert f'"{text}"' in str(err)  # noqa: PT017 (some texts are right)
    else:
        assert sum(phase.seconds for phase in made) == pytest.approx(10)


def test_phases_made_by_hand_are_held_to_the_same_limits() -> None:
    with pytest.raises(LoadTestError, match="at most 50000000"):
        make_timetable([Phase(100_000, 100_000, 3600)], "poisson", 1)
    with pytest.raises(LoadTestError, match="at least one phase"):
        make_timetable([], "poisson", 1)
    with pytest.raises(LoadTestError, match="the seed -1 is negative"):
        make_timetable([Phase(10, 10, 1)], "poisson", -1)
    with pytest.raises(ValueError, match="each arrival has one of both"):
        Timetable(np.zeros(2, np.int64), np.zeros(3, np.uint64), 1.0)


def test_the_generator_is_the_one_that_recorded_runs_were_made_with() -> None:
    """A digest that changes here makes every report's seed mean another load: say so in the changelog."""
    made = parse_phases("50@10s,50..400@20s,400..0@5s", None)
    assert (
        make_timetable(made, "poisson", 42).digest()
        == "402389e586d40539d5cde6064d9c0edd1540c7b23446d36f05b9f3d32b499350"
    )
    assert (
        make_timetable(made, "constant", 42).digest()
        == "ad5d8295962dc3c11b934139d4e69e770397f62722ef523dac485de1f5d1c0ed"
    )
