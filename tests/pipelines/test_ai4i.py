# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.use_cases.ai4i import FAILURE_MODES, generate

#: Of the 10,000 rows at UCI. ``rnf`` stands apart: its rule is 0.1 % of all rows.
PUBLISHED = {"twf": 46, "hdf": 115, "pwf": 95, "osf": 98, "failure": 339}


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    return pd.DataFrame([generate(10_000, seed)[[*FAILURE_MODES, "failure"]].sum() for seed in range(200)])


@pytest.mark.parametrize("mode", PUBLISHED)
def test_failures_come_as_often_as_in_the_published_data(counts: pd.DataFrame, mode: str) -> None:
    # The published counts are one draw: chance alone moves them by 10 % (50 % for heat, which hangs on one random walk
    # of the temperatures). The mean over 200 draws may be off by 15 %, and the draw must be an ordinary one.
    mean, deviation = counts[mode].mean(), counts[mode].std()

    assert mean == pytest.approx(PUBLISHED[mode], rel=0.15)
    assert abs(PUBLISHED[mode] - mean) < 2 * deviation


def test_random_failures_come_once_in_a_thousand_rows(counts: pd.DataFrame) -> None:
    # Standard error of the mean over 200 data sets: 0.22.
    assert counts["rnf"].mean() == pytest.approx(10, abs=0.9)


def test_the_data_of_the_use_case_have_the_published_counts_within_a_tenth(products: pd.DataFrame) -> None:
    found = {mode: int(products[mode].sum()) for mode in PUBLISHED}

    assert len(products) == 10_000
    assert found == pytest.approx(PUBLISHED, rel=0.1)


def test_readings_are_distributed_as_published(products: pd.DataFrame) -> None:
    shares = products["product_type"].value_counts(normalize=True)

    assert shares.to_dict() == pytest.approx({"L": 0.5, "M": 0.3, "H": 0.2}, abs=0.015)
    assert products["air_temperature"].mean() == pytest.approx(300, abs=0.01)
    assert products["air_temperature"].std() == pytest.approx(2, abs=0.01)
    above_air = products["process_temperature"] - products["air_temperature"]
    assert above_air.mean() == pytest.approx(10, abs=0.01)
    assert above_air.std() == pytest.approx(1, abs=0.01)
    # Published: speed 1,538.8 rpm on average (deviation 179.3, median 1,503), torque 40.0 Nm (10.0), their
    # correlation -0.88, wear 108 min (64).
    speed, torque, wear = products["rotational_speed"], products["torque"], products["tool_wear"]
    assert speed.mean() == pytest.approx(1539, rel=0.01)
    assert speed.std() == pytest.approx(179, rel=0.05)
    assert speed.median() == pytest.approx(1503, rel=0.01)
    assert torque.mean() == pytest.approx(40, rel=0.01)
    assert torque.std() == pytest.approx(10, rel=0.03)
    assert speed.corr(torque) == pytest.approx(-0.88, abs=0.02)
    assert wear.mean() == pytest.approx(108, rel=0.03)
    assert wear.std() == pytest.approx(64, rel=0.03)


def test_failures_follow_the_rules_wherever_rounding_cannot_matter(products: pd.DataFrame) -> None:
    above_air = products["process_temperature"] - products["air_temperature"]
    power = products["torque"] * products["rotational_speed"] * 2 * np.pi / 60
    strain = products["torque"] * products["tool_wear"]
    limit = products["product_type"].map({"L": 11_000, "M": 12_000, "H": 13_000})
    rules = {
        "hdf": (above_air < 8.6) & (products["rotational_speed"] < 1380),
        "pwf": (power < 3500) | (power > 9000),
        "osf": strain > limit,
    }
    clear = {
        "hdf": ((above_air - 8.6).abs() > 0.11) & ((products["rotational_speed"] - 1380).abs() > 1),
        "pwf": ((power - 3500).abs() > 50) & ((power - 9000).abs() > 50),
        "osf": (strain - limit).abs() > 25,
    }

    for mode, rule in rules.items():
        assert clear[mode].mean() > 0.8
        assert (products[mode] == rule)[clear[mode]].all(), mode


def test_a_product_fails_when_any_mode_says_so(products: pd.DataFrame) -> None:
    assert products["failure"].equals(products[list(FAILURE_MODES)].any(axis=1))


def test_tools_wear_by_product_type_until_they_are_changed(products: pd.DataFrame) -> None:
    wear = products["tool_wear"]
    added = wear.diff().iloc[1:]
    by_type = products["product_type"].map({"L": 2, "M": 3, "H": 5}).shift().iloc[1:]
    changed = added < 0

    assert (added == by_type)[~changed].all()
    assert (wear.iloc[1:][changed] == 0).all()
    assert 100 < changed.sum() < 160
    assert products["twf"].iloc[:-1][changed.to_numpy()].mean() == pytest.approx(46 / 120, abs=0.12)
    assert changed.to_numpy()[products["twf"].iloc[:-1]].all()


def test_types_are_those_of_the_signature(products: pd.DataFrame) -> None:
    assert products.dtypes.astype(str).to_dict() == {
        "product_type": "object",
        "air_temperature": "float64",
        "process_temperature": "float64",
        "rotational_speed": "int64",
        "torque": "float64",
        "tool_wear": "int64",
        **dict.fromkeys((*FAILURE_MODES, "failure"), "bool"),
    }


@given(st.integers(2, 200), st.integers(0, 2**32))
def test_any_seed_gives_possible_readings_and_always_the_same(rows: int, seed: int) -> None:
    products = generate(rows, seed)

    assert len(products) == rows
    assert (products["torque"] >= 0).all()
    assert products["tool_wear"].between(0, 245).all()
    assert products["product_type"].isin(["L", "M", "H"]).all()
    assert products.equals(generate(rows, seed))
