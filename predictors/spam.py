# SPDX-License-Identifier: Apache-2.0
"""The spam filter between V2 tensors and its model: one probability instead of two."""

from typing import TYPE_CHECKING, Final

import numpy as np

from predictors.errors import ArtifactError
from predictors.processing import Processing
from predictors.signature import Signature, Tensors, TensorSpec

if TYPE_CHECKING:  # a model that is served without scikit-learn does not wait for its import
    from sklearn.base import BaseEstimator

SPAM: Final = "spam"


class SpamFilter(Processing):
    """``text`` BYTES [-1] -> ``label`` BYTES [-1] ("ham" or "spam"), ``spam_probability`` FP64 [-1].

    The label is the model's own: the threshold that was chosen on validation rows lives in the fitted model.
    """

    def __init__(self, model_signature: Signature, estimator: "BaseEstimator | None") -> None:
        """Find the model's column for spam.

        Raises:
            ArtifactError: The model is no classifier with a class "spam".
        """
        super().__init__(model_signature, estimator)
        try:
            self._label = model_signature.output("label")
            self._spam = (model_signature.output("probabilities").labels or ()).index(SPAM)
        except (KeyError, ValueError) as err:
            raise ArtifactError(
                f'the processing "spam" needs a classifier with probabilities, one of its classes "{SPAM}"'
            ) from err

    def signature(self) -> Signature:
        """Return the model's inputs, and the two outputs."""
        probability = TensorSpec(name="spam_probability", datatype="FP64", shape=(-1,))
        return Signature(inputs=self.model_signature.inputs, outputs=(self._label, probability))

    def postprocess(self, outputs: Tensors, inputs: Tensors) -> Tensors:  # noqa: ARG002 (part of the contract)
        """Return the label and the probability of spam."""
        probability = np.ascontiguousarray(outputs["probabilities"][:, self._spam])
        return {"label": outputs["label"], "spam_probability": probability}
