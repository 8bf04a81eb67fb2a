# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictors.reference import CategoryBins, NumericBins, TextBins, describe_reference
from predictors.signature import Column, TensorSpec

FLOATS = st.floats(-1e6, 1e6) | st.just(float("nan"))


def test_a_value_on_an_edge_counts_above_it() -> None:
    assert NumericBins(edges=(0.0, 1.0), counts=()).count(np.array([-1.0, 0.0, 0.5, 1.0, np.nan])).tolist() == [
        1,
        2,
        1,
        1,
    ]


def test_a_value_without_a_bin_counts_as_other() -> None:
    bins = CategoryBins(categories=("a", "b"), counts=())
    assert bins.count(np.array(["b", "c", None, "b"], dtype=object)).tolist() == [0, 2, 1, 1]


def test_booleans_and_integers_count_by_their_text() -> None:
    assert CategoryBins(categories=("false", "true"), counts=()).count(np.array([True, True])).tolist() == [0, 2, 0, 0]
    assert CategoryBins(categories=("1", "2"), counts=()).count(np.array([2, 1, 2])).tolist() == [1, 2, 0, 0]


def test_texts_count_by_their_length() -> None:
    bins = TextBins(lengths=NumericBins(edges=(3.0,), counts=()))
    assert bins.count(np.array(["ab", "abc", None], dtype=object)).tolist() == [1, 1, 1]


@given(arrays(np.float64, st.integers(1, 60), elements=FLOATS), st.integers(0, 60))
def test_the_counts_of_two_parts_add_up_to_those_of_the_whole(values: np.ndarray, cut: int) -> None:
    spec = TensorSpec(name="x", datatype="FP64", shape=(-1,), columns=(Column(name="x", dtype="float64"),))
    bins = describe_reference({"x": values}, (spec,), {"x": values}, (spec,)).inputs["x"]
    assert isinstance(bins, NumericBins)
    assert (*bins.counts, bins.missing) == tuple(bins.count(values[:cut]) + bins.count(values[cut:]))
    assert sum(bins.counts) + bins.missing == len(values)
    assert list(bins.edges) == sorted(set(bins.edges))


def test_every_class_has_a_bin_even_when_the_sample_never_got_it() -> None:
    label = TensorSpec(name="label", datatype="BYTES", shape=(-1,), labels=("ham", "spam"))
    values = np.array(["ham", "ham"], dtype=object)
    bins = describe_reference({"t": values}, (), {"label": values}, (label,)).outputs["label"]
    assert isinstance(bins, CategoryBins)
    assert dict(zip(bins.categories, bins.counts, strict=True)) == {"ham": 2, "spam": 0}


def test_probabilities_have_ten_equal_bins_for_each_class() -> None:
    spec = TensorSpec(name="probabilities", datatype="FP64", shape=(-1, 2), labels=("ham", "spam"))
    values = np.array([[0.95, 0.05], [0.4, 0.6]])
    outputs = describe_reference({"t": values}, (), {"probabilities": values}, (spec,)).outputs
    assert set(outputs) == {"probabilities.ham", "probabilities.spam"}
    ham = outputs["probabilities.ham"]
    assert isinstance(ham, NumericBins)
    assert ham.counts == (0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
