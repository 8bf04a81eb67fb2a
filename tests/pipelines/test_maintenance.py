# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.use_cases import TrainedModel, maintenance
from pipelines.use_cases.operating_point import precision, scores_of
from pipelines.use_cases.use_case import Parts


def test_the_parts_hold_every_product_once_and_failures_alike(products: pd.DataFrame, product_parts: Parts) -> None:
    together = pd.concat(product_parts)

    assert together.index.is_unique
    assert together.sort_index().equals(products)
    assert [len(part) for part in product_parts] == [6_000, 2_000, 2_000]
    assert [part["failure"].mean() for part in product_parts] == pytest.approx([0.0344] * 3, abs=0.0005)


def test_the_sample_has_the_six_readings_and_no_target(trained_maintenance: TrainedModel) -> None:
    assert trained_maintenance.sample.dtypes.astype(str).to_dict() == {
        "product_type": "object",
        "air_temperature": "float64",
        "process_temperature": "float64",
        "rotational_speed": "int64",
        "torque": "float64",
        "tool_wear": "int64",
    }


def test_the_threshold_is_the_lowest_at_which_validation_alarms_are_right_often_enough(
    trained_maintenance: TrainedModel, product_parts: Parts
) -> None:
    rows = product_parts.validation
    fails = rows["failure"].to_numpy()
    scores = scores_of(trained_maintenance.model, rows[list(maintenance.FEATURES)], positive=True)
    threshold = trained_maintenance.metrics["threshold"]
    lower = np.unique(scores[scores < threshold])[1:]

    assert precision(scores >= threshold, fails) >= 0.7
    assert all(precision(scores >= score, fails) < 0.7 for score in lower)
    assert trained_maintenance.metrics["validation_precision"] == precision(scores >= threshold, fails)


def test_the_model_itself_applies_the_threshold(trained_maintenance: TrainedModel, product_parts: Parts) -> None:
    rows = product_parts.test[list(maintenance.FEATURES)]
    scores = scores_of(trained_maintenance.model, rows, positive=True)
    verdicts = trained_maintenance.model.predict(rows)

    assert verdicts.dtype == np.bool_
    assert trained_maintenance.model.classes_.tolist() == [False, True]
    assert np.array_equal(verdicts, scores >= trained_maintenance.metrics["threshold"])
    assert not np.array_equal(verdicts, scores >= 0.5)


def test_the_report_is_of_the_untouched_test_products(trained_maintenance: TrainedModel, product_parts: Parts) -> None:
    reported = maintenance.metrics(maintenance.outcomes(trained_maintenance.model, product_parts.test))

    assert {name: trained_maintenance.metrics[name] for name in reported} == reported
    assert (reported["products"], reported["failures"]) == (2_000, 68)
    expected = product_parts.train[list(maintenance.FEATURES)].reset_index(drop=True)
    assert trained_maintenance.sample.equals(expected)


def test_the_forest_is_chosen_in_folds_of_the_training_products(trained_maintenance: TrainedModel) -> None:
    forest = trained_maintenance.model[-1].estimator.estimator

    assert trained_maintenance.lineage["hyperparameters"] == "max_features=0.8, min_samples_leaf=5"
    assert (forest.n_estimators, forest.max_features, forest.min_samples_leaf) == (100, 0.8, 5)


def test_slices_part_the_products_by_type_and_by_wear(trained_maintenance: TrainedModel, product_parts: Parts) -> None:
    rows = product_parts.test
    slices = maintenance.slices(maintenance.outcomes(trained_maintenance.model, rows))

    assert np.sum([slices[f"product_type={kind}"] for kind in "HLM"], axis=0).tolist() == [1] * len(rows)
    assert np.array_equal(slices["tool_wear>=180"], rows["tool_wear"] >= 180)
    assert np.array_equal(slices["tool_wear<180"], rows["tool_wear"] < 180)


def test_failures_are_foreseen(trained_maintenance: TrainedModel) -> None:
    # One failure in six is decided by chance alone: the random ones, and whether a worn tool breaks or is replaced.
    metrics = trained_maintenance.metrics

    assert metrics["average_precision"] > 0.75
    assert metrics["roc_auc"] > 0.9
    assert metrics["recall"] > 0.7
    assert metrics["precision"] > 0.55
    assert metrics["brier_score"] < 0.0344 * (1 - 0.0344) / 2  # half of what the share of failures alone would reach


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_a_product_scores_the_same_to_the_last_bit_alone_and_among_others(
    trained_maintenance: TrainedModel, data: st.DataObject
) -> None:
    sample = trained_maintenance.sample
    places = data.draw(st.lists(st.integers(0, len(sample) - 1), min_size=1, max_size=6))
    rows = sample.iloc[places]

    together = trained_maintenance.model.predict_proba(rows)
    alone = [trained_maintenance.model.predict_proba(rows.iloc[[place]])[0] for place in range(len(rows))]

    assert np.array_equal(together, np.array(alone))
