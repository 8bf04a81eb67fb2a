# SPDX-License-Identifier: Apache-2.0
"""The choice among candidate hyper-parameters by their scores in cross-validation."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.errors import PipelineError

#: Mean scores that are equal to this many decimals are equal: folds tell no more.
_DECIMALS: Final = 3


def grid(**values: Sequence[float | int]) -> list[dict[str, float | int]]:
    """Return every combination of the values, the last name's changing fastest."""
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def best(candidates: Sequence[Mapping[str, float | int]], folds: Iterable[Iterable[float]]) -> dict[str, float | int]:
    """Return the candidate with the highest mean score; of equal ones the first.

    Args:
        candidates: At least one; the plainest first.
        folds: For each fold the candidates' scores, in their order.

    Raises:
        PipelineError: A score is not a number.
    """
    means = np.mean([list(scores) for scores in folds], axis=0)
    if not np.isfinite(means).all():
        raise PipelineError(
            "cross-validation cannot compare the candidates: some fold has nothing to score them by; give more data"
        )
    return dict(candidates[int(np.argmax(means.round(_DECIMALS)))])


def check_labels(truth: npt.NDArray[np.bool_], folds: int) -> None:
    """Refuse training rows of which some fold would lack a label.

    Args:
        truth: Whether each row is positive, (rows,).
        folds: How many there will be.

    Raises:
        PipelineError: A label has fewer rows than there are folds.
    """
    positive = int(truth.sum())
    rarer = min(positive, len(truth) - positive)
    if rarer < folds:
        raise PipelineError(
            f"every fold needs rows of both labels: the rarer one has {rarer} training rows for {folds} folds; "
            "give more data"
        )
