# SPDX-License-Identifier: Apache-2.0
"""Exact bounds for a share that was counted on a sample."""

from typing import Final

#: How sure each of the two bounds is; data are checked often, and a false alarm stops a pipeline.
CONFIDENCE: Final = 0.999


def share_bounds(count: int, total: int) -> tuple[float, float]:
    """Return the lower and the upper bound of the share behind a count, each surely right in 99.9 % of samples.

    Clopper and Pearson, *The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial*, 1934: the
    quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k).

    Args:
        count: Of the rows, those that are counted: k.
        total: The rows: n. Without any, nothing is known: 0 to 1.
    """
    from scipy.special import betaincinv

    lower = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, 1 - CONFIDENCE))
    upper = 1.0 if count == total else float(betaincinv(count + 1, total - count, CONFIDENCE))
    return lower, upper
