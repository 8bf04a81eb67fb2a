# SPDX-License-Identifier: Apache-2.0
"""What the protocol tells of a server and of a model."""

from importlib.metadata import version as installed_version

from predictors.signature import Signature, TensorSpec

#: Of the protocol's extensions, those that every server has.
EXTENSIONS = ("binary_tensor_data", "statistics")


def server_metadata(*more: str) -> dict[str, object]:
    """Return the server's metadata: name, version and extensions, those named among them that are switched on."""
    return {"name": "portside", "version": installed_version("portside"), "extensions": [*EXTENSIONS, *more]}


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> dict[str, object]:
    """Return a model's metadata: name, versions, platform, inputs and outputs."""
    return {
        "name": name,
        "versions": [version],
        "platform": platform,
        "inputs": [tensor_metadata(spec) for spec in signature.inputs],
        "outputs": [tensor_metadata(spec) for spec in signature.outputs],
    }


def tensor_metadata(spec: TensorSpec) -> dict[str, object]:
    """Return a tensor's metadata: name, datatype and shape, in which -1 is any size."""
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}
