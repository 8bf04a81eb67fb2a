# SPDX-License-Identifier: Apache-2.0
import math
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors.datatypes import DTYPES, Datatype, datatype_of
from predictors.errors import InvalidRequestError
from predictors.signature import Column, Signature, TensorSpec
from predictors.v2.binary import decode_raw, encode_raw
from predictors.v2.request import RequestReader

LABEL = TensorSpec(name="label", datatype="INT64", shape=(-1,))
SCORE = TensorSpec(name="score", datatype="FP64", shape=(-1,))


def reader(*inputs: TensorSpec) -> RequestReader:
    return RequestReader(Signature(inputs=inputs, outputs=(LABEL, SCORE)))


def matrix(datatype: Datatype = "FP64", missing: tuple[bool, ...] = (False, False)) -> TensorSpec:
    columns = tuple(Column(name=f"x{place}", dtype="float64", missing=may) for place, may in enumerate(missing))
    return TensorSpec(name="x", datatype=datatype, shape=(-1, len(missing)), columns=columns)


def column(name: str, datatype: Datatype, *, missing: bool = False) -> TensorSpec:
    described = Column(name=name, dtype="str" if datatype == "BYTES" else "float64", missing=missing)
    return TensorSpec(name=name, datatype=datatype, shape=(-1,), columns=(described,))


def body(*inputs: dict[str, Any], **rest: Any) -> bytes:
    return orjson.dumps({"inputs": list(inputs), **rest})


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [1.5, 2.5, 3.5, 4.5], **changes}


def test_flat_and_nested_data_give_the_same_array() -> None:
    flat = reader(matrix()).read(body(tensor()))
    nested = reader(matrix()).read(body(tensor(data=[[1.5, 2.5], [3.5, 4.5]])))
    expected = np.array([[1.5, 2.5], [3.5, 4.5]])
    np.testing.assert_array_equal(flat.inputs["x"], expected)
    np.testing.assert_array_equal(nested.inputs["x"], expected)


def test_no_rows_at_all_is_a_request_too() -> None:
    assert reader(matrix()).read(body(tensor(shape=[0, 2], data=[]))).inputs["x"].shape == (0, 2)


def test_the_id_and_the_requested_outputs_are_kept_in_order() -> None:
    request = reader(matrix()).read(body(tensor(), id="a-1", outputs=[{"name": "score"}, {"name": "label"}]))
    assert request.id == "a-1"
    assert request.outputs == ("score", "label")


def test_an_absent_id_stays_absent() -> None:
    assert reader(matrix()).read(body(tensor())).id is None


@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT16"])
def test_integers_stand_for_floats_when_they_are_exact(datatype: str) -> None:
    request = reader(matrix()).read(body(tensor(datatype=datatype, data=[1, 2, 3, 4])))
    assert request.inputs["x"].dtype == np.float64


@pytest.mark.parametrize(
    ("datatype", "value"), [("FP64", 2**53 + 1), ("FP32", 2**24 + 1), ("FP16", 2**11 + 1)], ids=str
)
def test_an_integer_that_the_float_cannot_hold_is_refused(datatype: Datatype, value: int) -> None:
    with pytest.raises(InvalidRequestError, match="cannot hold exactly"):
        reader(matrix(datatype)).read(body(tensor(datatype=datatype, data=[value, 1, 1, 1])))


def test_a_null_is_missing_where_the_signature_has_missing_values() -> None:
    values = reader(matrix(missing=(True, False))).read(body(tensor(data=[None, 1, 2, 3]))).inputs["x"]
    assert math.isnan(float(values[0, 0]))


def test_a_null_is_refused_in_a_column_that_is_never_missing() -> None:
    with pytest.raises(InvalidRequestError, match="missing values"):
        reader(matrix(missing=(True, False))).read(body(tensor(data=[1, None, 2, 3])))


def test_a_missing_text_is_none_where_the_signature_has_missing_values() -> None:
    request = {"name": "t", "datatype": "BYTES", "shape": [2], "data": ["a", None]}
    assert reader(column("t", "BYTES", missing=True)).read(body(request)).inputs["t"].tolist() == ["a", None]


def test_an_optional_input_takes_its_default() -> None:
    optional = TensorSpec(name="k", datatype="INT64", shape=(1,), default=(10,))
    assert reader(matrix(), optional).read(body(tensor())).inputs["k"].tolist() == [10]


REFUSED: dict[str, tuple[bytes, str]] = {
    "an empty body": (b"", "not valid JSON"),
    "malformed JSON": (b'{"inputs": [', "not valid JSON"),
    "a number too large for JSON": (body(tensor()).replace(b"1.5", b"1e999"), "not valid JSON"),
    "an invalid UTF-8 byte": (b'{"inputs": "\xff"}', "not valid JSON"),
    "deep nesting": (b"[" * 100_000, "not valid JSON"),
    "a list": (b"[]", "must be a JSON object"),
    "no inputs": (b"{}", '"inputs" must be a list'),
    "empty inputs": (b'{"inputs": []}', '"inputs" must be a list'),
    "null inputs": (b'{"inputs": null}', '"inputs" must be a list'),
    "an input that is no object": (b'{"inputs": [1]}', "must be an object"),
    "an unknown input": (body(tensor(name="y")), 'unknown input "y"; the model takes "x"'),
    "a name that is no string": (body(tensor(name=["x"])), "unknown input"),
    "an input twice": (body(tensor(), tensor()), "given twice"),
    "an id that is no string": (body(tensor(), id=1), '"id" must be a string'),
    "another datatype": (body(tensor(datatype="BYTES")), "has datatype FP64"),
    "an unhashable datatype": (body(tensor(datatype=["FP64"])), "has datatype FP64"),
    "another float width": (body(tensor(datatype="FP32")), "has datatype FP64"),
    "no datatype": (body({"name": "x", "shape": [2, 2], "data": [1, 2, 3, 4]}), "has datatype FP64"),
    "no shape": (body({"name": "x", "datatype": "FP64", "data": [1, 2, 3, 4]}), 'needs "shape"'),
    "a rank too low": (body(tensor(shape=[4])), "has shape [-1, 2]"),
    "a feature too many": (body(tensor(shape=[2, 3])), "has shape [-1, 2]"),
    "a negative size": (body(tensor(shape=[-1, 2])), 'needs "shape"'),
    "a size that is a boolean": (body(tensor(shape=[True, 2])), 'needs "shape"'),
    "an absurd size": (body(tensor(shape=[10**15, 2])), "its shape"),
    "a size beyond 64 bits": (body(tensor()).replace(b"[2,2]", b"[99999999999999999999,2]"), 'needs "shape"'),
    "no data": (body({"name": "x", "datatype": "FP64", "shape": [2, 2]}), 'needs "data"'),
    "too few values": (body(tensor(data=[1, 2, 3])), "has 3 values"),
    "ragged nesting": (body(tensor(data=[[1, 2], [3]])), "not nested as its shape"),
    "too many nested rows": (body(tensor(data=[[1, 2], [3, 4], [5, 6]])), "not nested as its shape"),
    "half-nested data": (body(tensor(data=[[1, 2], 3, 4])), "not nested as its shape"),
    "a text among numbers": (body(tensor(data=["1", 2, 3, 4])), "takes numbers"),
    "a boolean among numbers": (body(tensor(data=[True, 2, 3, 4])), "takes numbers"),
    "a null": (body(tensor(data=[None, 2, 3, 4])), "takes numbers"),
    "an object among numbers": (body(tensor(data=[{}, 2, 3, 4])), "takes numbers"),
    "an unknown output": (body(tensor(), outputs=[{"name": "nope"}]), 'unknown output "nope"'),
    "an output twice": (body(tensor(), outputs=[{"name": "label"}, {"name": "label"}]), "asked for twice"),
    "outputs that are no list": (body(tensor(), outputs={}), '"outputs" must be a list'),
    "parameters that are no object": (body(tensor(parameters=[])), '"parameters"'),
}


@pytest.mark.parametrize(("request_body", "told"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_a_sentence(request_body: bytes, told: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        reader(matrix()).read(request_body)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InvalidRequestError, match='input "b" is missing'):
        reader(column("a", "FP64"), column("b", "FP64")).read(
            body({"name": "a", "datatype": "FP64", "shape": [1], "data": [1]})
        )


def test_inputs_of_different_numbers_of_rows_are_refused() -> None:
    one = {"name": "a", "datatype": "FP64", "shape": [1], "data": [1]}
    two = {"name": "b", "datatype": "FP64", "shape": [2], "data": [1, 2]}
    with pytest.raises(InvalidRequestError, match='"a" has 1, "b" has 2'):
        reader(column("a", "FP64"), column("b", "FP64")).read(body(one, two))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("INT64", [1.0]), ("INT8", [128]), ("UINT8", [-1]), ("BOOL", [1]), ("BYTES", [1]), ("FP32", [1e39])],
    ids=[
        "a float for an integer",
        "INT8 overflow",
        "a negative UINT8",
        "1 for true",
        "a number for a text",
        "FP32 overflow",
    ],
)
def test_a_value_outside_its_datatype_is_refused(datatype: Datatype, data: list[Any]) -> None:
    with pytest.raises(InvalidRequestError):
        reader(column("a", datatype)).read(body({"name": "a", "datatype": datatype, "shape": [1], "data": data}))


NUMERIC = [name for name in DTYPES if name != "BYTES"]


@given(st.sampled_from(NUMERIC), st.integers(0, 5), st.randoms(use_true_random=False))
def test_raw_numbers_come_through_bit_for_bit(datatype: Datatype, rows: int, random: Any) -> None:
    dtype = DTYPES[datatype]
    raw = random.randbytes(rows * dtype.itemsize)
    array = np.frombuffer(raw, dtype) if datatype != "BOOL" else np.array([byte > 127 for byte in raw], dtype=bool)
    assert datatype_of(array.dtype) == datatype
    assert encode_raw(decode_raw("x", datatype, (rows,), encode_raw(array))) == encode_raw(array)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6))
def test_raw_texts_come_through_unchanged(texts: list[str]) -> None:
    array = np.array(texts, dtype=object)
    assert decode_raw("t", "BYTES", (len(texts),), encode_raw(array)).tolist() == texts


@given(st.binary(max_size=40), st.integers(0, 10**18))
def test_raw_texts_of_any_bytes_and_any_shape_are_read_or_refused(data: bytes, rows: int) -> None:
    with suppress(InvalidRequestError):
        assert decode_raw("t", "BYTES", (rows,), data).shape == (rows,)


def test_a_binary_input_is_read_from_behind_the_json() -> None:
    raw = np.array([[1.5, 2.5]]).tobytes()
    head = body(
        {"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": len(raw)}},
        parameters={"binary_data_output": True},
    )
    request = reader(matrix()).read(head + raw, len(head))
    np.testing.assert_array_equal(request.inputs["x"], [[1.5, 2.5]])
    assert request.binary == {"label", "score"}


@pytest.mark.parametrize("change", [-1, 1, 8], ids=["a byte short", "a byte more", "eight bytes more"])
def test_a_binary_input_of_the_wrong_length_is_refused(change: int) -> None:
    raw = bytes(16 + change)
    head = body({"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}})
    with pytest.raises(InvalidRequestError, match="bytes"):
        reader(matrix()).read(head + raw, len(head))


def test_a_raw_nan_is_refused_like_a_null() -> None:
    raw = np.array([[np.nan, 1.0]]).tobytes()
    head = body({"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}})
    with pytest.raises(InvalidRequestError, match="missing values"):
        reader(matrix()).read(head + raw, len(head))


def test_one_output_may_be_binary_and_another_not() -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "score"}]
    assert reader(matrix()).read(body(tensor(), outputs=outputs)).binary == {"label"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON,
            "outputs": JSON | st.lists(st.fixed_dictionaries({"name": JSON | st.just("label")}), max_size=2),
            "parameters": JSON,
            "inputs": JSON
            | st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "name": st.just("x") | JSON,
                        "datatype": st.sampled_from(list(DTYPES)) | JSON,
                        "shape": st.lists(st.integers(-2, 3), max_size=3) | JSON,
                        "data": JSON,
                        "parameters": JSON | st.fixed_dictionaries({"binary_data_size": JSON}),
                    },
                ),
                max_size=3,
            ),
        },
    )
    | JSON,
    st.none() | st.integers(0, 200),
)
def test_any_json_is_read_or_refused_and_nothing_else(document: object, json_length: int | None) -> None:
    try:
        request = reader(matrix()).read(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS), json_length)
    except InvalidRequestError:
        return
    except orjson.JSONEncodeError:
        return
    assert request.inputs["x"].shape[1] == 2
