# SPDX-License-Identifier: Apache-2.0
"""Predictive maintenance between V2 tensors and its model: a check of the product type, and one probability."""

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from predictors.errors import ArtifactError, InvalidRequestError
from predictors.processing import Processing
from predictors.signature import Signature, Tensors, TensorSpec

if TYPE_CHECKING:  # a model that is served without scikit-learn does not wait for its import
    from sklearn.base import BaseEstimator

#: Low, medium and high product quality, in the model's order.
PRODUCT_TYPES: Final = ("H", "L", "M")

_LONGEST_ECHO: Final = 20


class Maintenance(Processing):
    """Six tensors [-1], one for each reading -> ``failure`` BOOL [-1], ``failure_probability`` FP64 [-1].

    The inputs are ``product_type`` (BYTES: H, L or M), ``air_temperature`` and ``process_temperature`` (FP64, K),
    ``rotational_speed`` (INT64, rpm), ``torque`` (FP64, Nm) and ``tool_wear`` (INT64, min).
    """

    def __init__(self, model_signature: Signature, estimator: "BaseEstimator | None") -> None:
        """Find the model's column for failures.

        Raises:
            ArtifactError: The model is no classifier of true and false.
        """
        super().__init__(model_signature, estimator)
        try:
            self._failing = (model_signature.output("probabilities").labels or ()).index(True)
        except (KeyError, ValueError) as err:
            raise ArtifactError(
                'the processing "maintenance" needs a classifier with probabilities whose classes are false and true'
            ) from err

    def signature(self) -> Signature:
        """Return the model's inputs, and the two outputs."""
        return Signature(
            inputs=self.model_signature.inputs,
            outputs=(
                TensorSpec(name="failure", datatype="BOOL", shape=(-1,), labels=(False, True)),
                TensorSpec(name="failure_probability", datatype="FP64", shape=(-1,)),
            ),
        )

    def preprocess(self, inputs: Tensors) -> Tensors:
        """Return the inputs as they are.

        Raises:
            InvalidRequestError: A product type is none of the three.
        """
        for row, value in enumerate(inputs["product_type"]):
            if value not in PRODUCT_TYPES:
                raise InvalidRequestError(
                    f"product_type must be one of {', '.join(PRODUCT_TYPES)}; row {row} has {_shown(value)}"
                )
        return inputs

    def postprocess(self, outputs: Tensors, inputs: Tensors) -> Tensors:  # noqa: ARG002 (part of the contract)
        """Return the verdict and the probability of a failure."""
        probability = np.ascontiguousarray(outputs["probabilities"][:, self._failing])
        return {"failure": outputs["label"], "failure_probability": probability}


def _shown(value: object) -> str:
    """Return a value for a message: quoted, control characters escaped, cut when long."""
    cut = f"{value[:_LONGEST_ECHO]}..." if isinstance(value, str) and len(value) > _LONGEST_ECHO else value
    return json.dumps(cut, ensure_ascii=False)
