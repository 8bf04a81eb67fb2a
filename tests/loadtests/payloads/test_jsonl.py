# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import orjson
import pytest

from loadtests.errors import LoadTestError
from loadtests.payloads.jsonl import read_requests
from loadtests.payloads.tensors import ExpectedTensor, Tensor

X = {"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [[1, 2.5], [3, None]]}
GOOD = orjson.dumps({"inputs": [X]})


def written(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def of(**changes: object) -> bytes:
    return orjson.dumps({"inputs": [{**X, **changes}]})


def test_each_line_is_a_request_and_nested_data_become_flat(tmp_path: Path) -> None:
    texts = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["£9"]}
    one, other = read_requests(written(tmp_path, GOOD, b"", orjson.dumps({"id": "7", "inputs": [texts]})))

    assert one.inputs == (Tensor("x", "FP64", (2, 2), (1.0, 2.5, 3.0, None)),)
    assert (one.rows, one.expected) == (2, None)
    assert other.inputs == (Tensor("text", "BYTES", (1,), ("£9",)),)


def test_a_known_answer_stands_beside_the_request(tmp_path: Path) -> None:
    outputs = [
        {"name": "y", "datatype": "FP64", "shape": [2], "data": [1, 2]},
        {"name": "z", "datatype": "BOOL", "shape": [2]},
    ]
    line = orjson.dumps({"request": {"inputs": [X]}, "outputs": outputs, "tolerance": 0.01})
    (request,) = read_requests(written(tmp_path, line))

    assert request.tolerance == 0.01
    assert request.expected == (ExpectedTensor("y", "FP64", (2,), (1.0, 2.0)), ExpectedTensor("z", "BOOL", (2,), None))


def test_an_input_that_is_one_value_for_all_rows_does_not_change_their_number(tmp_path: Path) -> None:
    k = {"name": "k", "datatype": "INT64", "shape": [1], "data": [5]}
    (request,) = read_requests(written(tmp_path, orjson.dumps({"inputs": [k, X]})))

    assert request.rows == 2


def test_the_golden_requests_of_an_artifact_are_read_but_those_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    entry = {"about": "a row", "request": {"inputs": [X]}, "outputs": [X]}
    golden = {"relative_tolerance": 1e-5, "requests": [entry, {**entry, "outputs": None}]}
    path.write_bytes(orjson.dumps(golden, option=orjson.OPT_INDENT_2))

    (request,) = read_requests(path)
    assert request.tolerance == 1e-5
    assert request.expected is not None


def test_one_request_may_take_many_lines(tmp_path: Path) -> None:
    path = written(tmp_path, orjson.dumps(orjson.loads(GOOD), option=orjson.OPT_INDENT_2))

    assert len(read_requests(path)) == 1


def test_a_faulty_golden_request_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(orjson.dumps({"relative_tolerance": 1e-5, "requests": [{"request": {}, "outputs": [X]}]}))

    with pytest.raises(LoadTestError, match=re.escape('golden.json, line 1: request 1: a V2 request needs "inputs"')):
        read_requests(path)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"inputs": [', "not JSON (unexpected end of data"),
        (b"[]", 'a V2 request needs "inputs", a list of tensors'),
        (b'{"inputs": []}', 'a V2 request needs "inputs", a list of tensors'),
        (orjson.dumps({"inputs": [X, X]}), "two inputs have the same name"),
        (orjson.dumps({"inputs": [X], "outputs": [X]}), '"outputs" beside "inputs" is not supported; a known answer'),
        (orjson.dumps({"inputs": [X], "parameters": {}}), '"parameters" in a request is not supported; take it out'),
        (orjson.dumps({"request": {"inputs": [X]}, "golden": []}), '"golden" beside the request is not supported'),
        (orjson.dumps({"request": {"inputs": [X]}, "outputs": []}), '"outputs" must be a list of the tensors'),
        (
            orjson.dumps({"request": {"inputs": [X]}, "tolerance": 1}),
            "the tolerance must be a number from 0 to below 1",
        ),
        (of(name=""), 'each input needs a "name"'),
        (of(parameters={}), '"parameters" in the input "x" is not supported'),
        (of(datatype="FP65"), 'the input "x" has the datatype "FP65"; there are BOOL, UINT8'),
        (of(shape=[2, -1]), 'the input "x" needs a "shape", a list of whole numbers'),
        (of(shape=4), 'the input "x" needs a "shape", a list of whole numbers'),
        (of(data=4), 'the input "x" needs "data", a list of its values'),
        (of(data=[1, 2, 3]), 'the input "x" has 3 values; its shape [2, 2] takes 4'),
        (of(data=[1, 2, 3, "4"]), 'the input "x" has "4", which is not FP64'),
        (of(data=[1, 2, 3, True]), 'the input "x" has true, which is not FP64'),
        (of(datatype="INT8", data=[1, 2, 3, 4.0]), 'the input "x" has 4.0, which is not INT8'),
        (of(datatype="INT8", data=[1, 2, 3, 128]), 'the input "x" has 128, which INT8 cannot hold'),
        (of(datatype="BOOL", data=[True, False, 1, True]), 'the input "x" has 1, which is not BOOL'),
        (of(datatype="BYTES", data=["a", "b", "c", 4]), 'the input "x" has 4, which is not BYTES'),
    ],
)
def test_a_fault_names_its_line_and_what_is_wrong(tmp_path: Path, line: bytes, fault: str) -> None:
    with pytest.raises(LoadTestError, match=re.escape(f"requests.jsonl, line 3: {fault}")):
        read_requests(written(tmp_path, GOOD, b"", line))


def test_a_file_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="holds no request to send; write one V2 request a line"):
        read_requests(written(tmp_path, b"", b" "))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r"missing\.jsonl cannot be read: No such file"):
        read_requests(tmp_path / "missing.jsonl")
