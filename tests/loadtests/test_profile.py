# SPDX-License-Identifier: Apache-2.0
"""The named loads: the files that come with the suites, and what is said of one that cannot be used."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.errors import LoadTestError
from loadtests.judging.evidence import Evidence
from loadtests.judging.objective import Outcome
from loadtests.judging.slo import read_slo
from loadtests.judging.verdict import judge
from loadtests.profile import FOLDER, Profile, profiles_of, read_profile
from loadtests.timetable import make_timetable

USE_CASES = ("maintenance", "recommender", "spam")
NAMES = ("smoke", "steady", "spike", "soak", "overload")
EVERY = [pytest.param(use_case, name, id=f"{use_case}-{name}") for use_case in USE_CASES for name in NAMES]

GOOD = "".join(f'{name}: {{about: A load., rate: "10", duration: 5}}\n' for name in NAMES)


@dataclass(frozen=True)
class Flawless:
    """A second in which every request was answered in 1 ms, and rightly."""

    second: int
    requests: int
    failed: int = 0

    @property
    def latency(self) -> "Flawless":
        return self

    def bins(self) -> Iterator[tuple[int, int]]:
        if self.requests:
            yield 1_000, self.requests


def profiles_from(folder: Path, text: str) -> None:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    profiles_of("mine", folder)


def test_every_file_is_that_of_a_use_case() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{use_case}.yaml" for use_case in USE_CASES]


@pytest.mark.parametrize("use_case", USE_CASES)
def test_each_use_case_has_the_same_profiles(use_case: str) -> None:
    assert tuple(profiles_of(use_case)) == NAMES


@pytest.mark.parametrize(("use_case", "name"), EVERY)
def test_a_profile_makes_a_timetable_and_says_what_it_is_for(use_case: str, name: str) -> None:
    profile = read_profile(use_case, name)
    timetable = make_timetable(profile.phases, profile.arrivals, seed=1)
    assert len(timetable.due_ns) >= 200
    assert profile.warmup < timetable.seconds
    assert profile.about.endswith(".")
    assert len(profile.about) <= 120


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_smoke_test_is_over_soon_and_sends_200_requests_whatever_the_seed(use_case: str) -> None:
    profile = read_profile(use_case, "smoke")
    timetables = [make_timetable(profile.phases, profile.arrivals, seed) for seed in range(3)]
    assert [timetable.per_second() for timetable in timetables] == [[20] * 10] * 3


@pytest.mark.parametrize(("use_case", "name"), EVERY)
def test_a_flawless_run_has_enough_requests_to_pass_its_slo(use_case: str, name: str) -> None:
    profile = read_profile(use_case, name)
    slo = read_slo(FOLDER.parent / (profile.slo or f"slo/{use_case}.yaml"))
    per_second = make_timetable(profile.phases, profile.arrivals, seed=1).per_second()
    seconds = [Flawless(second, due) for second, due in enumerate(per_second) if second >= math.ceil(profile.warmup)]
    asked = sum(second.requests for second in seconds)
    assert judge(slo, Evidence(seconds, asked, dropped=0, lag_p99_us=100, cpu=0.3, workers=1)).outcome is Outcome.PASS


@pytest.mark.parametrize("use_case", USE_CASES)
def test_an_overload_is_short_and_of_batches_only_and_has_an_slo_of_its_own(use_case: str) -> None:
    profile = read_profile(use_case, "overload")
    assert profile.tags in (("batch",), ("bulk",))
    assert sum(phase.seconds for phase in profile.phases) <= 60
    assert profile.slo == f"slo/{use_case}-overload.yaml"


def test_what_a_profile_leaves_out_has_a_meaning(tmp_path: Path) -> None:
    profiles_from(tmp_path, GOOD)
    profile = read_profile("mine", "soak", tmp_path)
    assert profile == Profile(about="A load.", rate="10", duration=5, arrivals="poisson", warmup=0, tags=(), slo=None)


def test_phases_may_have_lengths_of_their_own(tmp_path: Path) -> None:
    text = GOOD.replace('smoke: {about: A load., rate: "10", duration: 5}', 'smoke: {about: A., rate: "5@2s,9@4s"}')
    profiles_from(tmp_path, text)
    assert [phase.seconds for phase in read_profile("mine", "smoke", tmp_path).phases] == [2, 4]


def test_a_profile_or_use_case_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(
        LoadTestError, match='spam has no profile "fast": there are smoke, steady, spike, soak, overload'
    ):
        read_profile("spam", "fast")
    with pytest.raises(
        LoadTestError, match=r'no profiles for "\.\./spam": .* has those of maintenance, recommender, spam'
    ):
        read_profile("../spam", "smoke")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("duration: 5", "duration: 5, users: 3", "smoke.users: unknown key; there are about, rate, duration"),
        ("smoke:", "calm: {}\nsmoke:", "calm: unknown key; there are smoke, steady, spike, soak, overload"),
        ("smoke:", "soak2:", "smoke: it is missing"),
        ("about: A load., ", "", "smoke.about: it is missing"),
        ("about: A load.", 'about: " "', "smoke.about: String should have at least 1 character"),
        ('"10"', "10", "smoke.rate: Input should be a valid string"),
        ('"10"', '"0"', 'smoke: the rate "0": a rate of 0 requests/s sends nothing'),
        ('"10"', '"fast"', 'smoke: the rate "fast" cannot be read'),
        ('"10"', '"10@5s"', 'smoke: the rate "10@5s" says how long each phase is'),
        (", duration: 5", "", 'smoke: the rate "10" needs a duration'),
        ("duration: 5", "duration: long", "smoke.duration: Input should be a valid number"),
        ("duration: 5", 'duration: "5"', "smoke.duration: Input should be a valid number"),
        ("duration: 5", "duration: 5, warmup: 5", "smoke: the warm-up of 5 s leaves nothing of 5 s to measure"),
        ("duration: 5", "duration: 5, warmup: -1", "smoke.warmup: Input should be greater than or equal to 0"),
        ("duration: 5", "duration: 5, arrivals: even", "smoke.arrivals: Input should be 'poisson' or 'constant'"),
        ("duration: 5", "duration: 5, tags: batch", "smoke.tags: Input should be a valid tuple"),
        ("duration: 5", "duration: 5, tags: [3]", "smoke.tags.0: Input should be a valid string"),
        ("duration: 5", "duration: 5, slo: ../x.yaml", "smoke.slo: String should match pattern"),
        ("duration: 5", "duration: 5, duration: 6", "duration is written twice in line"),
        ("smoke:", "steady:", "steady is written twice in line"),
        ("duration: 5}", "duration: 5", "it is not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(LoadTestError) as caught:
        profiles_from(tmp_path, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "- smoke\n", "smoke\n"])
def test_a_file_that_holds_no_profiles_says_what_it_must_hold(tmp_path: Path, text: str) -> None:
    with pytest.raises(LoadTestError, match="it must hold the profiles smoke, steady, spike, soak, overload by name"):
        profiles_from(tmp_path, text)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LoadTestError, match=r"mine\.yaml: it is not YAML"):
        profiles_of("mine", tmp_path)
