# SPDX-License-Identifier: Apache-2.0
import pytest

from loadtests.payloads.grpc import encode_grpc
from loadtests.payloads.rest_json import encode_rest_json
from loadtests.payloads.rows import Rows, prepared
from loadtests.payloads.tensors import Tensor

ROWS = Rows((Tensor("id", "INT64", (3,), (1, 2, 3)), Tensor("x", "FP64", (3, 2), (1.0, 1.5, 2.0, 2.5, 3.0, 3.5))))


def test_rows_are_taken_from_every_column_in_the_order_asked_for() -> None:
    request = ROWS.take([2, 0, 2])

    assert request.rows == 3
    assert request.inputs[0] == Tensor("id", "INT64", (3,), (3, 1, 3))
    assert request.inputs[1] == Tensor("x", "FP64", (3, 2), (3.0, 3.5, 1.0, 1.5, 3.0, 3.5))


@pytest.mark.parametrize(
    "columns",
    [
        (),
        (Tensor("a", "BOOL", (0,), ()),),
        (Tensor("a", "BOOL", (1,), (True,)), Tensor("b", "BOOL", (2,), (True, True))),
    ],
    ids=["no column", "no row", "two lengths"],
)
def test_columns_must_be_of_one_length(columns: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="columns of one length"):
        Rows(columns)


def test_the_same_seed_draws_the_same_requests() -> None:
    one, same, other = (prepared(ROWS, 4, encode_rest_json, "m", None, count=20, seed=seed) for seed in (7, 7, 8))

    assert [encoded.body for encoded in one] == [encoded.body for encoded in same]
    assert [encoded.body for encoded in one] != [encoded.body for encoded in other]
    assert {encoded.request.rows for encoded in one} == {4}


def test_the_same_rows_are_drawn_however_they_are_encoded() -> None:
    as_json = prepared(ROWS, 1, encode_rest_json, "m", "1.0.0", count=20, seed=7)
    by_grpc = prepared(ROWS, 1, encode_grpc, "m", "1.0.0", count=20, seed=7)

    assert [encoded.request for encoded in as_json] == [encoded.request for encoded in by_grpc]
    assert len({encoded.request for encoded in as_json}) == 3
