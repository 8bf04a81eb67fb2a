# SPDX-License-Identifier: Apache-2.0
"""What every scorer is: a pure function from the model's input tensors to its output tensors."""

from typing import ClassVar, Protocol

from predictors.signature import Tensors


class Scorer(Protocol):
    """Scores any number of rows.

    Attributes:
        name: What ``inspect`` and the metrics call it.
        inline: Whether a small request is scored so fast that the event loop may wait for it.
    """

    name: ClassVar[str]
    inline: ClassVar[bool]

    def score(self, inputs: Tensors) -> Tensors:
        """Return the model's output tensors, one row for each row of the inputs.

        Args:
            inputs: Every input of the model's signature, in its datatype and with the same number of rows (shape
                (rows,) or (rows, columns)).
        """
        ...
