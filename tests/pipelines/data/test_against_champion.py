# SPDX-License-Identifier: Apache-2.0
"""The checks of new data against the champion: clean data pass, poisoned ones stop, and the cause is named."""

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pipelines.data.champion import Champion, read_champion
from pipelines.data.validation import Findings, validate
from pipelines.registry import open_registry
from pipelines.use_cases import Parts, TrainedModel, use_case
from pipelines.use_cases.ai4i import generate
from tests.pipelines.data.champions import publish_champion

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def parts(message_parts: Parts, product_parts: Parts) -> dict[str, Parts]:
    return {"spam": message_parts, "maintenance": product_parts}


@pytest.fixture(scope="module")
def serving(
    trained_spam: TrainedModel,
    trained_maintenance: TrainedModel,
    parts: dict[str, Parts],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Champion]:
    root = tmp_path_factory.mktemp("champions") / "registry"
    trained = {"spam": trained_spam, "maintenance": trained_maintenance}
    for name, model in trained.items():
        publish_champion(root, name, model, parts[name])
    return {name: read_champion(open_registry(str(root)), name, "1.0.0") for name in trained}


@pytest.fixture(scope="module")
def data(messages: pd.DataFrame, products: pd.DataFrame) -> Frames:
    return {"spam": messages, "maintenance": products}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["spam", "maintenance"])
def test_clean_data_of_any_split_pass(serving: dict[str, Champion], data: Frames, name: str, seed: int) -> None:
    findings = validate(use_case(name), use_case(name).split(data[name], seed), serving[name])
    assert findings.all == ()
    assert [check.outcome for check in findings.checks] == ["passed"] * 7
    assert max(shift.psi for shift in findings.shifts) < 0.01


@pytest.mark.parametrize(("rows", "seed"), [(10_000, 1), (10_000, 2), (10_000, 3), (2_000, 4)])
def test_products_of_another_time_pass(serving: dict[str, Champion], rows: int, seed: int) -> None:
    module = use_case("maintenance")
    findings = validate(module, module.split(generate(rows, seed), 0), serving["maintenance"])
    assert findings.stopping == ()


def test_ratings_have_no_labels_and_no_distribution_to_compare(
    serving: dict[str, Champion], ratings: pd.DataFrame
) -> None:
    module = use_case("recommender")
    findings = validate(module, module.split(ratings, 0), serving["spam"])
    assert findings.all == ()
    assert [check.outcome for check in findings.checks[-2:]] == ["not done", "not done"]


@pytest.mark.parametrize("share", [1.0, 0.3, 0.1])
@pytest.mark.parametrize("name", ["spam", "maintenance"])
def test_flipped_labels_are_told_with_their_counts_and_rows(
    serving: dict[str, Champion], parts: dict[str, Parts], data: Frames, name: str, share: float
) -> None:
    module, rows = use_case(name), data[name]
    target = str(module.PLAN.target)
    chosen = np.random.default_rng(0).random(len(rows)) < share
    findings = checked(serving, parts, name, flipped(rows, target, chosen))
    found = [finding for finding in findings.stopping if finding.check == "labels"]
    assert found
    assert {finding.column for finding in found} == {target}
    sentence = found[0].sentence
    assert f'training rows labelled "{module.PLAN.positive}" the champion 1.0.0 says otherwise for' in sentence
    assert f"({found[0].count:,} rows)" in sentence
    named = np.array(found[0].rows)
    assert len(named) == 10
    assert chosen[named].mean() >= 0.9


def test_a_few_flipped_labels_are_no_reason_to_stop(
    serving: dict[str, Champion], parts: dict[str, Parts], data: Frames
) -> None:
    chosen = np.random.default_rng(0).random(len(data["spam"])) < 0.02
    assert checked(serving, parts, "spam", flipped(data["spam"], "label", chosen)).all == ()


@pytest.mark.parametrize(
    ("column", "by", "moved"),
    [
        (
            "air_temperature",
            5.0,
            r"PSI \d\.\d\d \(limit 2\), its middle value went from about 299\.\d* to 302\.7 or more",
        ),
        (
            "process_temperature",
            5.0,
            r"PSI \d\.\d\d \(limit 3\), its middle value went from about 310 to 313\.\d or more",
        ),
        ("tool_wear", 40, r"PSI 1\.0\d \(limit 0\.5\), its middle value went from about 1[01]\d.* to about 1[45]\d"),
        ("rotational_speed", 100, r"PSI 0\.6\d \(limit 0\.5\), its middle value went from about 150\d to about 160\d"),
        ("torque", 10.0, r"PSI 0\.9\d \(limit 0\.5\), its middle value went from about 40\.\d* to about 50\.\d*"),
    ],
)
def test_a_shifted_column_is_named_with_how_far_it_moved(
    serving: dict[str, Champion], product_parts: Parts, column: str, by: float, moved: str
) -> None:
    shifted = Parts(*(part.assign(**{column: part[column] + by}) for part in product_parts))
    first = validate(use_case("maintenance"), shifted, serving["maintenance"]).stopping[0]
    assert re.match(f'column "{column}": has moved from the champion\'s data by {moved}', first.sentence)
    assert (len(first.rows), first.count > 1000) == (10, True)


def test_a_column_that_slipped_by_one_row_contradicts_the_champion(
    serving: dict[str, Champion], parts: dict[str, Parts], data: Frames
) -> None:
    rows = data["maintenance"]
    (finding,) = checked(serving, parts, "maintenance", rows.assign(torque=np.roll(rows["torque"], 1))).stopping
    assert "or features are those of other rows or units" in finding.sentence


def test_a_category_in_another_share_is_told_as_its_share(
    serving: dict[str, Champion], parts: dict[str, Parts], data: Frames
) -> None:
    rows = data["maintenance"]
    (finding,) = checked(serving, parts, "maintenance", rows.assign(product_type="H")).stopping
    assert "% of the champion's rows had \"" in finding.sentence
    assert finding.column == "product_type"


def test_longer_texts_are_told_by_their_length(
    serving: dict[str, Champion], parts: dict[str, Parts], data: Frames
) -> None:
    rows = data["spam"]
    longer = rows.assign(text=rows["text"] + " Sent from my telephone, sorry for typos")
    (finding,) = checked(serving, parts, "spam", longer).stopping
    assert finding.sentence.startswith('column "text": has moved from the champion\'s data by PSI')
    assert "its middle length went from about 60" in finding.sentence


def test_a_champion_that_does_not_tell_its_errors_is_no_judge_of_labels(
    serving: dict[str, Champion], parts: dict[str, Parts]
) -> None:
    findings = validate(use_case("spam"), parts["spam"], replace(serving["spam"], errors=None))
    assert findings.checks[-1].outcome == "not done"
    assert findings.stopping == ()


def test_a_champion_of_other_columns_is_no_judge_of_labels(
    serving: dict[str, Champion], parts: dict[str, Parts]
) -> None:
    findings = validate(use_case("maintenance"), parts["maintenance"], serving["spam"])
    assert (findings.checks[-1].outcome, findings.stopping) == ("not done", ())


def flipped(rows: pd.DataFrame, target: str, chosen: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Turn the labels of chosen rows round."""
    other = {"ham": "spam", "spam": "ham", True: False, False: True}
    labels = [other[label] if turn else label for label, turn in zip(rows[target], chosen, strict=True)]
    return rows.assign(**{target: pd.Series(labels, index=rows.index)})


def checked(serving: dict[str, Champion], parts: dict[str, Parts], name: str, rows: pd.DataFrame) -> Findings:
    """Check other rows in place of those that the parts have."""
    replaced = Parts(*(rows.loc[part.index] for part in parts[name]))
    return validate(use_case(name), replaced, serving[name])
