# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from predictors.errors import ArtifactError, InvalidRequestError, PredictorError
from predictors.onnx.export import STRATEGIES
from predictors.scorers.onnx import OnnxScorer
from predictors.signature import TensorSpec
from tests.predictors.onnx.proofs import bound, export, machines, scorer_of, two_classes

FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING


def spec(name: str, datatype: Any, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def passed_on(kind: int, shape: Sequence[int | str | None], node: str = "Identity", to: int | None = None) -> bytes:
    """Return a file that gives its input ``x`` as its output ``y``."""
    attributes: dict[str, Any] = {} if to is None else {"to": to}
    graph = helper.make_graph(
        [helper.make_node(node, ["x"], ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind if to is None else to, shape)],
    )
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    ).SerializeToString()
    return content


def test_a_matrix_is_scored_in_the_datatypes_of_the_signature() -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets)
    binding = bound(model, rows)
    outputs: Any = scorer_of(export(model, binding, STRATEGIES[0]), binding).score({"input": rows})
    assert list(outputs) == ["label", "probabilities"]
    np.testing.assert_array_equal(outputs["label"], model.predict(rows))
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(rows), rtol=1e-12)
    assert outputs["probabilities"].dtype == np.float64


def test_float64_is_cast_where_the_file_takes_float32_and_outputs_are_cast_back() -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets == 1)
    content = to_onnx(
        model, initial_types=[("input", FloatTensorType([None, 6]))], options={id(model): {"zipmap": False}}
    ).SerializeToString()
    binding = bound(model, rows)
    outputs: Any = scorer_of(content, binding).score({"input": rows})
    assert outputs["label"].dtype == np.bool_
    assert outputs["probabilities"].dtype == np.float64
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(rows), rtol=1e-3)


def test_named_tensors_of_mixed_types_are_each_fed_as_a_column() -> None:
    frame, failed = machines()
    columns = ColumnTransformer([("type", OneHotEncoder(), ["type"])], remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression(max_iter=5_000)).fit(frame, failed)
    binding = bound(model, frame)
    scorer = scorer_of(export(model, binding, STRATEGIES[0]), binding)
    one: dict[str, Any] = {
        "type": np.array(["M"], dtype=object),
        "air temperature [K]": np.array([301.5]),
        "speed": np.array([1_500]),
        "torque": np.array([52.5]),
    }
    expected: Any = binding.scorer.score(one)
    outputs: Any = scorer.score(one)
    assert outputs["label"].shape == (1,)
    np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], rtol=1e-9)
    with pytest.raises(InvalidRequestError, match="category that the model was not fitted on"):
        scorer.score(one | {"type": np.array(["X"], dtype=object)})


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        pytest.param(FLOAT, np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4), id="image"),
        pytest.param(INT64, np.array([3, 1, 2]), id="vector"),
        pytest.param(STRING, np.array([["a", "é ☃ 🙂"], ["", "b"]], dtype=object), id="texts"),
        pytest.param(TensorProto.BOOL, np.array([True, False]), id="booleans"),
        pytest.param(TensorProto.FLOAT16, np.array([[1.5], [2.5]], dtype=np.float16), id="half floats"),
        pytest.param(DOUBLE, np.zeros((0, 2)), id="no rows"),
        pytest.param(DOUBLE, np.arange(12.0).reshape(3, 4)[:, ::2], id="strided"),
        pytest.param(DOUBLE, np.asfortranarray(np.arange(6.0).reshape(3, 2)), id="column-major"),
    ],
)
def test_tensors_of_any_rank_and_datatype_go_through_as_they_are(kind: int, array: Any) -> None:
    datatypes: dict[int, str] = {
        FLOAT: "FP32",
        INT64: "INT64",
        STRING: "BYTES",
        TensorProto.BOOL: "BOOL",
        DOUBLE: "FP64",
    }
    shape = (-1, *array.shape[1:])
    datatype = datatypes.get(kind, "FP16")
    content = passed_on(kind, [None, *array.shape[1:]])
    scorer = OnnxScorer(content, (spec("x", datatype, *shape),), (spec("y", datatype, *shape),))
    given = scorer.score({"x": array})["y"]
    assert given.dtype == array.dtype
    np.testing.assert_array_equal(given, array)


def test_a_file_may_take_one_rank_1_tensor_as_it_is() -> None:
    scorer = OnnxScorer(passed_on(DOUBLE, ["rows"]), (spec("x", "FP64", -1),), (spec("y", "FP64", -1),))
    assert scorer.score({"x": np.array([1.0, 2.0])})["y"].shape == (2,)


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        ([("z", "FP64", -1, 2)], [("y", "FP64", -1, 2)], "model.onnx takes 'x', which the signature does not have"),
        (
            [("x", "FP64", -1, 2), ("z", "FP64", -1)],
            [("y", "FP64", -1, 2)],
            "model.onnx takes no 'z', which the signature has",
        ),
        ([("x", "FP64", -1, 2)], [("z", "FP64", -1, 2)], "model.onnx gives no 'z', which the signature has"),
        (
            [("x", "INT64", -1, 2)],
            [("y", "FP64", -1, 2)],
            r"model.onnx takes 'x' as tensor\(double\), the signature says INT64",
        ),
        (
            [("x", "FP64", -1, 2)],
            [("y", "BYTES", -1, 2)],
            r"model.onnx gives 'y' as tensor\(double\), the signature says BYTES",
        ),
        (
            [("x", "FP64", -1, 3)],
            [("y", "FP64", -1, 2)],
            r"model.onnx takes 'x' in shape \['rows', 2\], the signature says \[-1, 3\]",
        ),
        (
            [("x", "FP64", -1, 2)],
            [("y", "FP64", -1)],
            r"model.onnx gives 'y' in shape \['rows', 2\], the signature says \[-1\]",
        ),
    ],
)
def test_a_file_that_does_not_fit_the_signature_is_refused_at_once(inputs: Any, outputs: Any, sentence: str) -> None:
    content = passed_on(DOUBLE, ["rows", 2])
    with pytest.raises(ArtifactError, match=sentence):
        OnnxScorer(content, tuple(spec(*words) for words in inputs), tuple(spec(*words) for words in outputs))


@pytest.mark.parametrize(
    "content", [b"", b"not a model", passed_on(DOUBLE, ["rows", 2])[:40]], ids=["empty", "text", "cut off"]
)
def test_a_broken_file_is_an_artifact_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for model in (content, path):
        with pytest.raises(ArtifactError, match=r"^model\.onnx cannot be loaded: "):
            OnnxScorer(model, (spec("x", "FP64", -1, 2),), (spec("y", "FP64", -1, 2),))


def test_a_file_that_is_not_there_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"^model\.onnx cannot be loaded: .*No such file"):
        OnnxScorer(tmp_path / "model.onnx", (spec("x", "FP64", -1, 2),), (spec("y", "FP64", -1, 2),))


def test_a_failure_while_scoring_is_an_error_of_ours() -> None:
    scorer = OnnxScorer(passed_on(STRING, [None], "Cast", DOUBLE), (spec("x", "BYTES", -1),), (spec("y", "FP64", -1),))
    assert scorer.score({"x": np.array(["1.5"], dtype=object)})["y"].tolist() == [1.5]
    with pytest.raises(PredictorError, match=r"^model\.onnx failed on these rows: "):
        scorer.score({"x": np.array(["one and a half"], dtype=object)})


def test_it_starts_no_threads_and_may_be_called_by_several() -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets)
    binding = bound(model, rows)
    content = export(model, binding, STRATEGIES[0])
    before = threads_of_this_process()
    scorer: Any = scorer_of(content, binding)
    expected = scorer.score({"input": rows})["probabilities"]
    assert threads_of_this_process() <= before
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda place: scorer.score({"input": rows[place : place + 1]})["probabilities"], range(200))
        np.testing.assert_allclose(np.concatenate(list(parts)), expected[:200], rtol=1e-12)


def threads_of_this_process() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()
