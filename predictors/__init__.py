# SPDX-License-Identifier: Apache-2.0
"""All that runs in a serving pod: the model artifact, its scorers, KServe predictors, the server.

The public names are imported when they are first used, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictors.artifact import Artifact, Manifest, open_artifact
    from predictors.errors import ArtifactError, InvalidRequestError, PackingError, PredictorError
    from predictors.loading import LoadPolicy, load
    from predictors.packing import pack, pack_onnx
    from predictors.processing import Processing
    from predictors.served_model import ServedModel
    from predictors.signature import Column, Signature, Tensors, TensorSpec

__all__ = [
    "Artifact",
    "ArtifactError",
    "Column",
    "InvalidRequestError",
    "LoadPolicy",
    "Manifest",
    "PackingError",
    "PredictorError",
    "Processing",
    "ServedModel",
    "Signature",
    "TensorSpec",
    "Tensors",
    "load",
    "open_artifact",
    "pack",
    "pack_onnx",
]

_HOMES = {
    "artifact": ("Artifact", "Manifest", "open_artifact"),
    "errors": ("ArtifactError", "InvalidRequestError", "PackingError", "PredictorError"),
    "loading": ("LoadPolicy", "load"),
    "packing": ("pack", "pack_onnx"),
    "processing": ("Processing",),
    "served_model": ("ServedModel",),
    "signature": ("Column", "Signature", "TensorSpec", "Tensors"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
