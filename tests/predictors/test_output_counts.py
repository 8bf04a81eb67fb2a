# SPDX-License-Identifier: Apache-2.0
"""Outputs counted one after another against the reference's own bins."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import example, given
from hypothesis import strategies as st

from predictors.reference import Bins, CategoryBins, NumericBins, Reference, TextBins
from predictors.serving.metrics.output_counts import OutputCounts
from predictors.signature import Signature, TensorSpec

EDGES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=0, max_size=8, unique=True)
NUMERIC = EDGES.map(lambda edges: NumericBins(edges=tuple(sorted(edges)), counts=()))
TEXTS = st.text(max_size=6)
LONG = 2**53  # beyond it not every integer is a float64


@st.composite
def counted(draw: st.DrawFn) -> tuple[str, Bins, npt.NDArray[Any]]:
    """Draw a datatype, bins for it, and values."""
    kind = draw(st.sampled_from(["floats", "single floats", "integers", "unsigned", "texts", "categories", "classes"]))
    size = st.integers(1, 40)
    if kind in {"floats", "single floats"}:
        bins = draw(NUMERIC)
        values = draw(_lists(size, st.one_of(st.floats(), st.sampled_from([math.nan, *bins.edges]))))
        dtype = np.float64 if kind == "floats" else np.float32
        with np.errstate(over="ignore"):
            return "FP64" if kind == "floats" else "FP32", bins, np.array(values).astype(dtype)
    if kind in {"integers", "unsigned"}:
        edges = draw(st.lists(st.integers(LONG - 9, LONG + 9).map(float), min_size=1, max_size=6, unique=True))
        values = draw(_lists(size, st.integers(LONG - 9, LONG + 9)))
        dtype_of = {"integers": ("INT64", np.int64), "unsigned": ("UINT64", np.uint64)}
        return (
            dtype_of[kind][0],
            NumericBins(edges=tuple(sorted(edges)), counts=()),
            np.array(values, dtype_of[kind][1]),
        )
    if kind == "texts":
        lengths = NumericBins(edges=tuple(sorted(draw(st.sets(st.integers(0, 6)))) or (0,)), counts=())
        values = draw(_lists(size, st.none() | TEXTS))
        return "BYTES", TextBins(lengths=lengths), np.array(values, dtype=object)
    if kind == "categories":
        categories = draw(st.lists(TEXTS | st.sampled_from(["other", "missing"]), max_size=6, unique=True))
        values = draw(_lists(size, st.none() | TEXTS | st.sampled_from([*categories, "other"])))
        return "BYTES", CategoryBins(categories=tuple(categories), counts=()), np.array(values, dtype=object)
    if draw(st.booleans()):
        bools = draw(_lists(size, st.booleans()))
        return "BOOL", CategoryBins(categories=("false", "true"), counts=()), np.array(bools)
    classes = draw(_lists(size, st.sampled_from([-1, 0, 1, 7])))
    return "INT64", CategoryBins(categories=("-1", "0", "7"), counts=()), np.array(classes)


def _lists(size: st.SearchStrategy[int], values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return size.flatmap(lambda count: st.lists(values, min_size=count, max_size=count))


@given(counted())
@example(("INT64", NumericBins(edges=(LONG + 4.0,), counts=()), np.array([LONG + 3])))
@example(("INT64", NumericBins(edges=(0.0,), counts=()), np.array([None, 1], dtype=object)))
def test_outputs_are_counted_as_their_bins_count(drawn: tuple[Any, Bins, npt.NDArray[Any]]) -> None:
    datatype, bins, array = drawn
    signature = Signature(
        inputs=(TensorSpec(name="x", datatype="FP64", shape=(-1,)),),
        outputs=(
            TensorSpec(name="vector", datatype=datatype, shape=(-1,)),
            TensorSpec(name="matrix", datatype=datatype, shape=(-1, 2), labels=("a", "b")),
        ),
    )
    reference = Reference(rows=0, inputs={}, outputs={"vector": bins, "matrix.b": bins})
    counts = OutputCounts(reference, signature, 3)
    matrix = np.stack([array, array[::-1]], axis=1)
    counters = memoryview(bytearray((3 + counts.size) * 8)).cast("q")
    counts.count(counters, {"vector": array, "matrix": matrix}, len(array))
    expected = bins.count(array).tolist()
    assert counters.tolist() == [0, 0, 0, *expected, *expected]
    assert [len(set(output.labels)) for output in counts.outputs] == [len(expected)] * 2
