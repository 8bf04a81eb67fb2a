# SPDX-License-Identifier: Apache-2.0
"""Why a model has no direct scorer."""

from predictors.errors import PackingError


class NotLinearError(PackingError):
    """The estimator is none that a direct scorer computes; the text says what stands against it."""
