# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest

from loadtests.errors import LoadTestError
from loadtests.payloads.outputs import Output, expected_outputs


def metadata(inputs: list[list[int]], output: list[int]) -> Mapping[str, object]:
    return {
        "name": "m",
        "inputs": [{"name": f"x{place}", "datatype": "FP32", "shape": shape} for place, shape in enumerate(inputs)],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": output}],
    }


def test_an_output_of_any_length_has_a_row_for_each_row_of_the_inputs() -> None:
    (output,) = expected_outputs(metadata([[-1, 4], [1]], [-1, 3]))

    assert output == Output("y", "FP32", (-1, 3), by_row=True)
    assert output.fits((8, 3), rows=8)
    assert not output.fits((7, 3), rows=8)
    assert not output.fits((8, 3, 1), rows=8)


@pytest.mark.parametrize(("inputs", "output"), [([[3, 4]], [-1, 3]), ([[-1, 4]], [2, 3])], ids=["inputs", "output"])
def test_where_lengths_are_fixed_nothing_is_said_of_rows(inputs: list[list[int]], output: list[int]) -> None:
    (announced,) = expected_outputs(metadata(inputs, output))

    assert not announced.by_row
    assert announced.fits((2, 3), rows=8)


@pytest.mark.parametrize(
    "document",
    [{}, {"inputs": [], "outputs": "y"}, {"inputs": [], "outputs": [{"name": "y", "datatype": "TEXT", "shape": [1]}]}],
    ids=["nothing", "no list", "an unknown datatype"],
)
def test_what_is_no_metadata_is_refused(document: Mapping[str, object]) -> None:
    with pytest.raises(LoadTestError, match="the server's metadata of the model have"):
        expected_outputs(document)
