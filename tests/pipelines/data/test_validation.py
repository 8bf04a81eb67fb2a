# SPDX-License-Identifier: Apache-2.0
"""The checks of data that need no champion, on the real data of the use cases and on those spoiled."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from pipelines.data.gist import gist
from pipelines.data.report.page import render_page
from pipelines.data.splitting import parts_of
from pipelines.data.validation import Findings, validate
from pipelines.errors import StepError
from pipelines.use_cases import NAMES, Parts, Plan, UseCase, use_case


@pytest.fixture(scope="module")
def loaded() -> dict[str, pd.DataFrame]:
    return {name: use_case(name).load() for name in NAMES}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NAMES)
def test_the_real_data_pass(loaded: dict[str, pd.DataFrame], name: str, seed: int) -> None:
    findings = checked(name, loaded[name], seed)
    assert findings.all == ()
    assert findings.passed >= 4
    assert sum(findings.sizes.values()) == len(loaded[name])


@pytest.mark.parametrize(
    ("spoil", "column", "said"),
    [
        (lambda rows: set_at(rows, "torque", [3, 900], 250.0), "torque", 'the rule "0 to 100 Nm", such as 250.0'),
        (lambda rows: set_at(rows, "torque", [3, 900], np.inf), "torque", 'the rule "0 to 100 Nm", such as inf'),
        (lambda rows: set_at(rows, "torque", [3, 900], np.nan), "torque", "2 values are missing"),
        (lambda rows: set_at(rows, "product_type", [3, 900], "X"), "product_type", "H or L or M\", such as 'X'"),
        (lambda rows: set_at(rows, "air_temperature", [3, 900], 314.0), "", "process_temperature above air_temp"),
        (lambda rows: set_at(rows, "tool_wear", [3, 900], np.nan), "tool_wear", "2 values are missing"),
    ],
    ids=["range", "infinite", "missing", "category", "two columns", "missing whole number"],
)
def test_a_wrong_value_is_named_by_column_and_rows(
    loaded: dict[str, pd.DataFrame], spoil: Callable[[pd.DataFrame], pd.DataFrame], column: str, said: str
) -> None:
    (finding,) = checked("maintenance", spoil(loaded["maintenance"]), 0).stopping
    assert (finding.column, finding.rows, finding.count) == (column, (3, 900), 2)
    assert said in finding.sentence
    assert "in rows 3 and 900" in finding.sentence


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.drop(columns="torque"), 'column "torque" is missing'),
        (lambda rows: rows.assign(colour="red"), 'column "colour" is not in the schema'),
        (lambda rows: rows.assign(torque="9"), 'column "torque" has dtype object, and the schema wants float64'),
    ],
)
def test_a_wrong_column_is_named_and_nothing_else_is_asked_of_it(
    loaded: dict[str, pd.DataFrame], spoil: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    findings = checked("maintenance", spoil(loaded["maintenance"]), 0)
    assert said in findings.stopping[0].sentence
    assert findings.checks[-1].outcome == "not done"


def test_at_most_ten_rows_are_listed_beside_their_count(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["maintenance"]
    (finding,) = checked("maintenance", set_at(rows, "torque", list(range(100, 1100)), -1.0), 0).stopping
    assert (finding.rows, finding.count) == (tuple(range(100, 110)), 1000)
    assert "in rows 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, ... (1,000 rows)" in finding.sentence


def test_labels_in_other_shares_than_the_plan_allows_stop(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["spam"]
    flipped = rows.assign(label=rows["label"].map({"ham": "spam", "spam": "ham"}))
    (more,) = checked("spam", flipped, 0).stopping
    assert '86.8 % of the rows (4,220 of 4,862) are "spam", more than the 30 % that the plan allows' in more.sentence
    assert more.column == "label"
    ham = parts_of(use_case("spam"), rows, 0)._replace(validation=rows[:0], test=rows[rows["label"] == "ham"][:4000])
    fewer = validate(use_case("spam"), ham._replace(train=rows[:100]), None).stopping
    assert any('are "spam", less than the 5 % that the plan allows' in finding.sentence for finding in fewer)


def test_copies_of_rows_in_another_part_are_told_with_their_twins(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["maintenance"].head(2000)
    parts = Parts(rows[:1200], rows[1200:1600], pd.concat([rows[1600:], rows[5:8]]).reset_index(drop=True))
    renumbered = parts._replace(test=parts.test.set_axis(np.arange(5000, 5000 + len(parts.test))))
    (finding,) = validate(use_case("maintenance"), renumbered, None).stopping
    assert finding.sentence == (
        "3 rows of test are in train too, the same by all readings: rows 5400 = 5, 5401 = 6, 5402 = 7"
    )


def test_messages_that_differ_in_digits_and_marks_alone_are_one(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["spam"]
    text = "Call 0800 111 now"
    parts = parts_of(use_case("spam"), rows, 0)
    train, test = parts.train.copy(), parts.test.copy()
    train.loc[train.index[7], "text"], test.loc[test.index[9], "text"] = text, text.upper().replace("1", "2") + "!!"
    (finding,) = validate(use_case("spam"), Parts(train, parts.validation, test), None).stopping
    assert finding.rows == (test.index[9],)
    assert f"{test.index[9]} = {train.index[7]}" in finding.sentence
    assert gist(text) == gist(text.upper().replace("1", "2") + "!!") == "call 0 0 now"


def test_a_rating_given_twice_is_found(loaded: dict[str, pd.DataFrame]) -> None:
    rows = pd.concat([loaded["recommender"], loaded["recommender"][:2]], ignore_index=True)
    (finding,) = checked("recommender", rows, 0).stopping
    assert finding.column == "user_id, item_id, timestamp"
    assert finding.rows == (0, 1, 100004, 100005)


def test_parts_with_too_few_rows_or_labels_are_told(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["spam"].head(60)
    parts = Parts(rows[:40], rows[40:50], rows[50:55])
    sentences = [finding.sentence for finding in validate(use_case("spam"), parts, None).stopping]
    assert any(sentence.startswith("train has 40 rows, and needs 50: rows 0, 1") for sentence in sentences)
    assert any(sentence.startswith("test has 5 rows, and needs 10") for sentence in sentences)
    assert any('test has 1 rows labelled "spam", and needs 5' in sentence for sentence in sentences)


def test_a_column_split_decides_and_a_part_that_is_none_is_named(loaded: dict[str, pd.DataFrame]) -> None:
    rows = loaded["maintenance"].assign(split=np.resize(["train", "Train", "validation", "test"], 10_000))
    parts = parts_of(use_case("maintenance"), rows, 0)
    assert [len(part) for part in parts] == [5000, 2500, 2500]
    assert parts.test.index[:2].tolist() == [3, 7]
    assert "split" not in parts.train
    with pytest.raises(StepError, match=r"column \"split\": 'dev' is no part, in rows 5 and 6"):
        parts_of(use_case("maintenance"), set_at(rows, "split", [5, 6], "dev"), 0)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("text", None, 'column "text": 2 values are missing'), ("label", None, 'column "label": 2 values are missing')],
)
def test_rows_that_cannot_be_split_are_told_by_what_is_wrong_with_them(
    loaded: dict[str, pd.DataFrame], column: str, value: object, said: str
) -> None:
    with pytest.raises(StepError, match=said):
        parts_of(use_case("spam"), set_at(loaded["spam"], column, [3, 900], value), 0)


def test_features_of_ones_own_may_coincide_by_chance(loaded: dict[str, pd.DataFrame]) -> None:
    few, many = (validate(own_use_case(), coinciding(rows), None).all for rows in (2, 40))
    assert [(finding.count, finding.stops) for finding in few] == [(2, False)]
    assert [(finding.count, finding.stops) for finding in many] == [(40, True)]


def test_rows_of_ones_own_that_lack_the_same_values_are_one() -> None:
    parts = coinciding(40)
    parts.train["y"] = parts.validation["y"] = parts.test["y"] = float("nan")
    module: Any = own_use_case()
    module.schema = lambda: pa.DataFrameSchema(
        {"x": pa.Column(float), "y": pa.Column(float, nullable=True), "label": pa.Column(str)}
    )
    module.features = lambda rows: rows[["x", "y"]]
    assert [(finding.count, finding.stops) for finding in validate(module, parts, None).all] == [(40, True)]


def test_the_page_shows_every_finding_and_needs_nothing_else(loaded: dict[str, pd.DataFrame]) -> None:
    spoiled = set_at(loaded["maintenance"], "product_type", [3], "<b>X</b>")
    page = render_page(checked("maintenance", spoiled, 0), "Predictive <maintenance>", "")
    assert "FAILED" in page
    assert "such as &#39;&lt;b&gt;X&lt;/b&gt;&#39;, in row 3" in page
    assert not any(word in page for word in ("<script", "http://", "https://", "<maintenance>", "<b>X"))


def checked(name: str, frame: pd.DataFrame, seed: int) -> Findings:
    module = use_case(name)
    return validate(module, parts_of(module, frame, seed), None)


def set_at(frame: pd.DataFrame, column: str, rows: list[int], value: Any) -> pd.DataFrame:
    changed = frame.copy()
    changed[column] = changed[column].mask(changed.index.isin(rows), value)
    return changed


def coinciding(count: int) -> Parts:
    """200, 100 and 100 rows of one feature, so many of the test's being in train as well."""
    values = pd.DataFrame({"x": np.arange(400.0), "label": np.resize(["a", "b"], 400)})
    values.loc[300 : 300 + count - 1, "x"] = np.arange(float(count))
    return Parts(values[:200], values[200:300], values[300:])


def own_use_case() -> UseCase:
    """What is asked of a module of one's own whose schema does not say which rows are one."""
    module: Any = ModuleType("own")
    module.PLAN = Plan(
        name="own",
        title="Own",
        source="here",
        target="label",
        positive="a",
        primary="recall",
        floors={},
        equal_within=0,
    )
    module.schema = lambda: pa.DataFrameSchema({"x": pa.Column(float), "label": pa.Column(str)}, strict=True)
    module.features = lambda rows: rows[["x"]]
    return cast(UseCase, module)
