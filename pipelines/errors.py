# SPDX-License-Identifier: Apache-2.0
"""The errors of this part: each text says what is wrong and how to mend it, and may be shown as it is."""

from predictors.errors import PredictorError


class PipelineError(PredictorError):
    """A pipeline cannot be run, compiled or submitted as asked."""


class StepError(PipelineError):
    """A step refuses to go on: the data, the model or the place it would go to is not as it must be."""
