# SPDX-License-Identifier: Apache-2.0
"""What a scorer made of one request."""

from typing import NamedTuple

from predictors.serving.metrics.output_counts import Tally
from predictors.signature import Tensors


class Scored(NamedTuple):
    """The outputs of one request.

    Attributes:
        outputs: Its tensors.
        queue: Nanoseconds that it waited.
        score: Nanoseconds of the call that scored it, the others of its batch included.
        tally: The outputs counted by bin, where they are many; None where that is still to be done.
        alone: Whether it was scored by itself, and that call is still to be counted.
    """

    outputs: Tensors
    queue: int
    score: int
    tally: Tally | None = None
    alone: bool = False
