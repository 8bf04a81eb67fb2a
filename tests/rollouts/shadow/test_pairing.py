# SPDX-License-Identifier: Apache-2.0
"""Answers of both versions to the same requests: which make a pair, and which of the pairs differ."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.shadow.pairing import Pairing
from rollouts.shadow.pairs import Pairs
from rollouts.shadow.records import Output, Record

LABEL = {"label": Output("INT64", (1,), (0,))}


def record(request_id: str, size: int = 100, **outputs: Output) -> Record:
    return Record(request_id, outputs or LABEL, size)


def floats(*data: float | None, width: int = 1) -> Output:
    shape = (len(data),) if width == 1 else (len(data) // width, width)
    return Output("FP64", shape, data)


def texts(*data: str | None) -> Output:
    return Output("BYTES", (len(data),), data)


def compared(stable: dict[str, Output], canary: dict[str, Output]) -> Pairs:
    return Pairing().add([Record("r", stable, 0)], [Record("r", canary, 0)])


# What differs


SAME: dict[str, tuple[dict[str, Output], dict[str, Output]]] = {
    "texts": ({"label": texts("spam", None)}, {"label": texts("spam", None)}),
    "a label, and another score": (
        {"label": texts("spam"), "score": floats(0.9)},
        {"label": texts("spam"), "score": floats(0.1)},
    ),
    "scores within 1 %": ({"score": floats(2.0, -2.0)}, {"score": floats(2.019, -1.981)}),
    "small parts of a row": ({"p": floats(0.99, 1e-9, width=2)}, {"p": floats(0.99, 2e-9, width=2)}),
    "no numbers": ({"score": floats(None, 0.0)}, {"score": floats(None, 0.0)}),
    "an output more": (LABEL, {**LABEL, "reason": texts("new")}),
    "nothing": ({"label": texts()}, {"label": texts()}),
}
DIFFERENT: dict[str, tuple[dict[str, Output], dict[str, Output], str]] = {
    "texts": ({"label": texts("spam")}, {"label": texts("ham")}, "label is ['ham'], not ['spam']"),
    "one row of two": ({"label": texts("a", "b")}, {"label": texts("a", "a")}, "label is ['a', 'a'], not ['a', 'b']"),
    "integers": (LABEL, {"label": Output("INT64", (1,), (1,))}, "label is [1], not [0]"),
    "truths": ({"y": Output("BOOL", (1,), (True,))}, {"y": Output("BOOL", (1,), (False,))}, "y is [False], not [True]"),
    "scores": ({"score": floats(2.0)}, {"score": floats(2.021)}, "score is [2.021], not [2.0]"),
    "a score that is none": ({"score": floats(2.0)}, {"score": floats(None)}, "score is [None], not [2.0]"),
    "a score that was none": ({"score": floats(0.0)}, {"score": floats(1e-9)}, "score is [1e-09], not [0.0]"),
    "a small row": ({"y": floats(99.0, 1.0)}, {"y": floats(99.0, 1.1)}, "y is [99.0, 1.1], not [99.0, 1.0]"),
    "rows": ({"label": texts("a")}, {"label": texts("a", "a")}, "label has the shape [2], not [1]"),
    "an output less": ({**LABEL, "reason": texts("old")}, LABEL, "reason is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("stable", "canary"), SAME.values(), ids=SAME)
def test_answers_that_say_the_same_are_compared_and_not_different(
    stable: dict[str, Output], canary: dict[str, Output]
) -> None:
    assert compared(stable, canary) == Pairs(compared=1)


@pytest.mark.parametrize(("stable", "canary", "how"), DIFFERENT.values(), ids=DIFFERENT)
def test_answers_that_differ_are_told_with_the_request(
    stable: dict[str, Output], canary: dict[str, Output], how: str
) -> None:
    assert compared(stable, canary) == Pairs(compared=1, different=1, example=f"r: {how}")


def test_long_values_are_cut_in_the_example() -> None:
    found = compared({"text": texts("x" * 1000)}, {"text": texts("y" * 1000)})
    assert len(found.example) < 150


def test_an_id_of_any_length_makes_no_long_example() -> None:
    long = "i" * 100_000
    found = Pairing().add([Record(long, LABEL, 0)], [Record(long, {"label": texts("spam")}, 0)])
    assert found.different == 1
    assert found.example.startswith("iii")
    assert len(found.example) < 300


def test_redacted_outputs_are_left_out_and_without_others_nothing_is_compared() -> None:
    hidden = Output("BYTES", (1,), None)
    assert compared({"label": hidden, "score": floats(1.0)}, {"label": hidden, "score": floats(1.0)}) == Pairs(1)
    assert compared({"label": hidden, "score": floats(1.0)}, {"label": hidden, "score": floats(2.0)}).different == 1
    assert compared({"label": texts("spam")}, {"label": hidden}) == Pairs()
    assert compared({"label": hidden}, {"label": texts("spam")}) == Pairs()


# What makes a pair


ids = st.lists(st.lists(st.integers(0, 15), max_size=4), max_size=8)


@given(ids, ids, st.booleans())
def test_each_id_makes_one_pair_at_most_and_only_of_both_versions(
    stable: list[list[int]], canary: list[list[int]], swapped: bool
) -> None:
    pairing = Pairing()
    found = Pairs()
    for place in range(max(len(stable), len(canary))):
        new = [[record(str(name)) for name in side[place]] if place < len(side) else [] for side in (stable, canary)]
        found += pairing.add(*new)
    counts = [Counter(name for part in side for name in part) for side in (stable, canary)]
    once = {name for name in counts[0] if counts[0][name] == counts[1][name] == 1}
    both = counts[0].keys() & counts[1].keys()
    assert len(once) <= found.compared <= len(both)


def test_a_pair_is_found_whichever_version_answers_first_and_however_late() -> None:
    pairing = Pairing()
    assert pairing.add([record("a")], [record("b")]) == Pairs()
    assert pairing.add([], []) == Pairs()
    assert pairing.add([record("b")], [record("a")]) == Pairs(compared=2)


def test_an_id_that_comes_again_makes_no_second_pair() -> None:
    pairing = Pairing()
    assert pairing.add([record("a")], [record("a")]) == Pairs(compared=1)
    assert pairing.add([record("a")], [record("a")]) == Pairs()


def test_an_id_that_comes_twice_from_one_version_makes_no_pair() -> None:
    pairing = Pairing()
    assert pairing.add([record("a"), record("a"), record("b")], []) == Pairs()
    assert pairing.add([], [record("a"), record("b")]) == Pairs(compared=1)


def test_what_has_waited_longest_is_forgotten_where_too_much_waits() -> None:
    pairing = Pairing(most_ids=3)
    pairing.add([record(name) for name in "abcd"], [])
    assert pairing.add([], [record(name) for name in "dcba"]) == Pairs(compared=3)
    long = Pairing(most_characters=250)
    long.add([record("a"), record("b"), record("c"), record("too long", size=251)], [])
    assert long.add([], [record("a"), record("b"), record("c"), record("too long", size=251)]) == Pairs()
    long.add([record("d"), record("e")], [])
    assert long.add([], [record("d"), record("e")]) == Pairs(compared=2)


def test_sums_keep_the_first_example() -> None:
    first = Pairs(2, 1, "a: label is [1], not [0]")
    assert Pairs(1) + first + Pairs(3, 2, "b: another") == Pairs(6, 3, first.example)


def test_pairs_of_many_requests_are_all_found() -> None:
    pairing = Pairing()
    found = Pairs()
    for begin in range(0, 100_000, 1000):
        new = [record(str(number)) for number in range(begin, begin + 1000)]
        found += pairing.add(new, [])
        found += pairing.add([], reversed(new))
    assert found == Pairs(compared=100_000)
