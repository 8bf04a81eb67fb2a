# SPDX-License-Identifier: Apache-2.0
"""Figures to tables and verdicts."""

import pytest

from benchmarks.figures import PORTSIDE, STOCK, Figure, percentile
from benchmarks.report import number, table, tables
from benchmarks.sections.section import Section
from benchmarks.targets import Target, judge

PER_SECOND = "requests/s"
FIGURES = [
    Figure("http", PER_SECOND, "linear", PORTSIDE, (30_000.0, 20_000.0, 25_000.0)),
    Figure("http", PER_SECOND, "linear", STOCK, (1_000.0,)),
    Figure("http", PER_SECOND, "forest", PORTSIDE, (9_000.0,)),
]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1, 100), (0.001, 1)], ids=str)
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert percentile(range(1, 101), share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)], ids=["none", "zero", "above"])
def test_a_percentile_of_nothing_or_of_no_share_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_a_table_has_medians_with_ratios_to_the_baseline() -> None:
    section = Section("http", "REST", STOCK, lambda *_: None)
    lines = tables(section, FIGURES).splitlines()
    assert lines[0] == "### REST"
    assert [cell.strip() for cell in lines[4].strip("|").split("|")] == ["linear", "25,000 (25x)", "1,000"]
    assert [cell.strip() for cell in lines[5].strip("|").split("|")] == ["forest", "9,000", ""]


def test_the_columns_of_a_table_are_aligned() -> None:
    assert len({len(line) for line in table(["a", "longer"], [["and longer", "1"], ["b", "22"]]).splitlines()}) == 1


@pytest.mark.parametrize(("value", "told"), [(0, "0"), (0.0638, "0.0638"), (12.54, "12.5"), (1234.5, "1,234")], ids=str)
def test_numbers_keep_three_digits(value: float, told: str) -> None:
    assert number(value) == told


def test_targets_are_judged_on_medians_and_only_reached_where_both_figures_were_taken() -> None:
    least = Target("http", PER_SECOND, "linear", 25, at_least=True)
    most = Target("http", PER_SECOND, "linear", 24)
    absolute = Target("http", PER_SECOND, "forest", 10_000, over=None)
    without_peer = Target("http", PER_SECOND, "forest", 1)
    verdicts = judge(FIGURES, ["http"], [least, most, absolute, without_peer])
    assert [(verdict.value, verdict.reached) for verdict in verdicts] == [
        (25, True),
        (25, False),
        (9_000, True),
        (None, False),
    ]
