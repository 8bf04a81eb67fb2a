# SPDX-License-Identifier: Apache-2.0
"""What may stand between V2 tensors and the model: the identity, or one of the platform's named classes.

An artifact names its processing; the class behind the name is looked up here, in the installed platform. An artifact
can therefore choose among the classes that an operator installed, and never bring code of its own.
"""

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, ClassVar

from predictors.errors import ArtifactError
from predictors.signature import Signature, Tensors

if TYPE_CHECKING:  # a model that is served without scikit-learn does not wait for its import
    from sklearn.base import BaseEstimator

#: Third parties add theirs as entry points of this group: ``my_name = "my_package.module:MyProcessing"``.
ENTRY_POINT_GROUP = "portside.processing"


class Processing:
    """The identity: requests reach the model as they are, and its outputs are the answer.

    A subclass overrides what it needs. All of it is pure: arrays in, arrays out, for any number of rows; no row may
    depend on another one of the same request.

    Attributes:
        needs_estimator: Whether the fitted scikit-learn object must be loaded even where another scorer answers.
    """

    needs_estimator: ClassVar[bool] = False

    def __init__(self, model_signature: Signature, estimator: "BaseEstimator | None") -> None:
        """Keep what the model itself takes and gives.

        Args:
            model_signature: The tensors of the bare model.
            estimator: The fitted scikit-learn object; None unless ``needs_estimator``.
        """
        self.model_signature = model_signature
        self.estimator = estimator

    def signature(self) -> Signature:
        """Return the tensors that clients see."""
        return self.model_signature

    def preprocess(self, inputs: Tensors) -> Tensors:
        """Return the model's input tensors, from a request's validated ones.

        Raises:
            InvalidRequestError: A value is well-formed but means nothing to this model.
        """
        return inputs

    def postprocess(self, outputs: Tensors, inputs: Tensors) -> Tensors:  # noqa: ARG002 (part of the contract)
        """Return the answer's tensors, from the model's outputs and the request's validated inputs."""
        return outputs


def processing_class(name: str | None) -> type[Processing]:
    """Return the class that an artifact names; the identity for None.

    Raises:
        ArtifactError: No such processing is installed here.
    """
    if name is None:
        return Processing
    installed = {entry_point.name: entry_point for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in installed:
        raise ArtifactError(
            f'artifact.json: the processing "{name}" is not installed here (there is: '
            f"{', '.join(sorted(installed)) or 'none'}); install the package that brings it"
        )
    loaded: type[Processing] = installed[name].load()
    return loaded
