# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from predictors.errors import PackingError
from predictors.onnx.plain import GENERATED_ROWS, describe_onnx, generated_rows
from predictors.scorers.onnx import OnnxScorer
from predictors.signature import TensorSpec
from tests.predictors.onnx.proofs import two_classes

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
Shape = Sequence[int | str | None] | None


def save(
    path: Path, nodes: list[Any], inputs: dict[str, tuple[int, Shape]], outputs: dict[str, tuple[int, Shape]]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *told) for name, told in inputs.items()],
        [helper.make_tensor_value_info(name, *told) for name, told in outputs.items()],
    )
    domains = {"", *(node.domain for node in nodes)}
    versions = [helper.make_opsetid(domain, 1 if domain else 21) for domain in sorted(domains)]
    path.write_bytes(helper.make_model(graph, opset_imports=versions, ir_version=10).SerializeToString())
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plain.onnx"


def test_a_matrix_gets_a_column_for_each_place(path: Path) -> None:
    save(path, [helper.make_node("Neg", ["x"], ["y"])], {"x": (FLOAT, ["batch", 3])}, {"y": (FLOAT, ["batch", 3])})
    inputs, outputs = describe_onnx(path)
    assert [(spec.name, spec.datatype, spec.shape) for spec in inputs] == [("x", "FP32", (-1, 3))]
    assert [column.name for column in inputs[0].columns] == ["x_0", "x_1", "x_2"]
    assert {column.dtype for column in inputs[0].columns} == {"float32"}
    assert outputs == (TensorSpec(name="y", datatype="FP32", shape=(-1, 3)),)


def test_images_texts_and_vectors_are_described_as_they_are(path: Path) -> None:
    save(
        path,
        [
            helper.make_node("Identity", ["image"], ["same"]),
            helper.make_node("Identity", ["words"], ["echo"]),
            helper.make_node("Neg", ["amount"], ["debt"]),
        ],
        {"image": (FLOAT, [None, 3, 8, 8]), "words": (TensorProto.STRING, ["n"]), "amount": (DOUBLE, ["n"])},
        {"same": (FLOAT, [None, 3, 8, 8]), "echo": (TensorProto.STRING, ["n"]), "debt": (DOUBLE, ["n"])},
    )
    inputs, outputs = describe_onnx(path)
    assert [spec.shape for spec in inputs] == [(-1, 3, 8, 8), (-1,), (-1,)]
    assert [spec.datatype for spec in inputs] == ["FP32", "BYTES", "FP64"]
    assert [[(column.name, column.dtype) for column in spec.columns] for spec in inputs] == [
        [],
        [("words", "str")],
        [("amount", "float64")],
    ]
    scored = OnnxScorer(path, inputs, outputs).score(generated_rows(inputs))
    assert {name: array.shape for name, array in scored.items()} == {
        "same": (GENERATED_ROWS, 3, 8, 8),
        "echo": (GENERATED_ROWS,),
        "debt": (GENERATED_ROWS,),
    }


def test_a_fixed_number_of_rows_is_kept(path: Path) -> None:
    save(path, [helper.make_node("Neg", ["x"], ["y"])], {"x": (INT64, [2, 3])}, {"y": (INT64, [2, 3])})
    inputs, outputs = describe_onnx(path)
    assert inputs[0].shape == outputs[0].shape == (2, 3)
    assert generated_rows(inputs)["x"].shape == (2, 3)


def test_a_classifier_of_skl2onnx_without_zipmap_can_be_served(path: Path) -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets)
    made = to_onnx(model, initial_types=[("X", FloatTensorType([None, 6]))], options={id(model): {"zipmap": False}})
    path.write_bytes(made.SerializeToString())
    inputs, outputs = describe_onnx(path)
    assert [(spec.name, spec.datatype, spec.shape) for spec in outputs] == [
        ("label", "INT64", (-1,)),
        ("probabilities", "FP32", (-1, 2)),
    ]
    scored = OnnxScorer(path, inputs, outputs).score({"X": rows.astype(np.float32)})
    np.testing.assert_array_equal(scored["label"], model.predict(rows))


def test_axes_of_outputs_that_the_file_does_not_tell_are_seen(path: Path) -> None:
    save(
        path,
        [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Transpose", ["y"], ["z"], perm=[0, 2, 1])],
        {"x": (DOUBLE, ["rows", 2, 4])},
        {"y": (DOUBLE, ["rows", "a", "b"]), "z": (DOUBLE, None)},
    )
    _, outputs = describe_onnx(path)
    assert [spec.shape for spec in outputs] == [(-1, 2, 4), (-1, 4, 2)]


@pytest.mark.parametrize(
    ("kind", "shape", "sentence"),
    [
        pytest.param(FLOAT, ["rows", "width"], r"--dim_param width --dim_value N", id="open axis"),
        pytest.param(FLOAT, ["rows", 3, "height", 8], r"only the first axis may be open", id="open image"),
        pytest.param(FLOAT, [], r"has no axes, or does not tell them", id="scalar"),
        pytest.param(FLOAT, None, r"has no axes, or does not tell them", id="untold"),
        pytest.param(
            TensorProto.BFLOAT16, ["rows", 3], r"is a tensor\(bfloat16\); V2 tensors hold bool", id="bfloat16"
        ),
    ],
)
def test_an_input_that_no_v2_tensor_can_be_says_how_to_mend_it(
    path: Path, kind: int, shape: Shape, sentence: str
) -> None:
    save(path, [helper.make_node("Identity", ["x"], ["y"])], {"x": (kind, shape)}, {"y": (kind, shape)})
    with pytest.raises(PackingError, match=sentence) as caught:
        describe_onnx(path)
    assert str(path) in str(caught.value)
    assert 'input "x"' in str(caught.value)


def test_a_zipmap_is_refused_with_the_option_that_turns_it_off(path: Path) -> None:
    rows, targets = two_classes()
    model = LogisticRegression().fit(rows, targets)
    path.write_bytes(to_onnx(model, initial_types=[("X", FloatTensorType([None, 6]))]).SerializeToString())
    with pytest.raises(PackingError, match=r'output "output_probability" is a seq\(.*zipmap=False'):
        describe_onnx(path)


def test_a_model_without_inputs_is_refused(path: Path) -> None:
    save(path, [helper.make_node("Constant", [], ["y"], value_float=1.0)], {}, {"y": (FLOAT, [])})
    with pytest.raises(PackingError, match="takes no input"):
        describe_onnx(path)


def test_weights_in_another_file_are_refused(path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((2, 2)), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", DOUBLE, ["rows", 2])],
        [helper.make_tensor_value_info("y", DOUBLE, ["rows", 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(PackingError, match="keeps weights in another file; save it as one file"):
        describe_onnx(path)


def test_custom_operators_are_refused(path: Path) -> None:
    node = helper.make_node("Magic", ["x"], ["y"], domain="my.company")
    save(path, [node], {"x": (DOUBLE, ["rows", 2])}, {"y": (DOUBLE, ["rows", 2])})
    with pytest.raises(PackingError, match=r"my\.company:Magic.*export the model with standard ONNX operators"):
        describe_onnx(path)


def test_what_is_not_a_model_is_refused_by_its_name(path: Path) -> None:
    path.write_bytes(b"plain text")
    with pytest.raises(PackingError, match=r"plain\.onnx cannot be loaded"):
        describe_onnx(path)
    with pytest.raises(PackingError, match=r"none\.onnx cannot be loaded: .*No such file"):
        describe_onnx(path.with_name("none.onnx"))


def test_generated_rows_are_small_varied_and_always_the_same() -> None:
    specs = tuple(
        TensorSpec(name=datatype, datatype=datatype, shape=(-1, 3))
        for datatype in ("FP64", "FP16", "INT8", "UINT64", "BOOL", "BYTES")
    )
    rows = generated_rows(specs)
    assert {array.shape for array in rows.values()} == {(GENERATED_ROWS, 3)}
    assert len(np.unique(rows["FP64"])) == GENERATED_ROWS * 3
    assert set(rows["INT8"].ravel().tolist()) == set(rows["UINT64"].ravel().tolist()) == {0, 1}
    assert all(isinstance(text, str) for text in rows["BYTES"].ravel())
    again = generated_rows(specs)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
