# SPDX-License-Identifier: Apache-2.0
"""What is known beforehand of a model's outputs: of those of the use cases, and of any model by its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from loadtests.errors import LoadTestError
from loadtests.payloads.tensors import DATATYPES, Value

_ANY: Final = -1


@dataclass(frozen=True)
class Output:
    """One output.

    Attributes:
        name: Its name.
        datatype: Its datatype.
        shape: Its dimensions; -1 is any length.
        by_row: Whether the first dimension is the rows of the request.
        low: The least that a number may be.
        high: The most.
        categories: The values that there are; none given: all.
    """

    name: str
    datatype: str
    shape: tuple[int, ...] = (_ANY,)
    by_row: bool = True
    low: float = -inf
    high: float = inf
    categories: tuple[Value, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether its numbers have a least or a largest."""
        return (self.low, self.high) != (-inf, inf)

    def fits(self, shape: tuple[int, ...], rows: int) -> bool:
        """Return whether an answer to that many rows may have this shape."""
        wanted = (rows, *self.shape[1:]) if self.by_row else self.shape
        return len(shape) == len(wanted) and all(
            want in (_ANY, length) for want, length in zip(wanted, shape, strict=True)
        )


SPAM_OUTPUTS: Final = (
    Output("label", "BYTES", categories=("ham", "spam")),
    Output("spam_probability", "FP64", low=0.0, high=1.0),
)
MAINTENANCE_OUTPUTS: Final = (
    Output("failure", "BOOL"),
    Output("failure_probability", "FP64", low=0.0, high=1.0),
)
#: Ten items, unless a request says otherwise; -1 stands where there is none left.
RECOMMENDER_OUTPUTS: Final = (
    Output("item_ids", "INT64", shape=(_ANY, 10), low=-1),
    Output("scores", "FP64", shape=(_ANY, 10)),
    Output("known_user", "BOOL"),
)


def expected_outputs(metadata: Mapping[str, object]) -> tuple[Output, ...]:
    """Return the outputs that a server announces for a model.

    An output that may have any length counts as one with a row for each row of the request where all inputs of the
    model may have any length too, or are a single value.

    Args:
        metadata: The answer to ``GET /v2/models/NAME``.

    Raises:
        LoadTestError: It is not V2's model metadata.
    """
    shapes = [shape for _, _, shape in _announced(metadata, "inputs")]
    rows_first = all(shape[:1] == (_ANY,) or shape == (1,) for shape in shapes)
    return tuple(
        Output(name, datatype, shape, by_row=rows_first and shape[:1] == (_ANY,))
        for name, datatype, shape in _announced(metadata, "outputs")
    )


def _announced(metadata: Mapping[str, object], side: str) -> list[tuple[str, str, tuple[int, ...]]]:
    tensors = metadata.get(side)
    if not isinstance(tensors, list):
        raise LoadTestError(f'the server\'s metadata of the model have no "{side}"; is it a V2 server?')
    announced = []
    for tensor in tensors:
        match tensor:
            case {"name": str(name), "datatype": str(datatype), "shape": list(shape)} if datatype in DATATYPES:
                # gRPC's JSON writes 64-bit numbers as texts, and some servers pass that on.
                announced.append((name, datatype, tuple(int(length) for length in shape)))
            case _:
                raise LoadTestError(
                    f"the server's metadata of the model have {side} without a name, a known datatype and a shape"
                )
    return announced
