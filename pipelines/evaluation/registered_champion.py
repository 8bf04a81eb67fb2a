# SPDX-License-Identifier: Apache-2.0
"""The champion's estimator, out of the registry and verified before it is loaded."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.errors import StepError
from pipelines.evaluation.judgement import Champion
from pipelines.registry import open_registry
from predictors.artifact import open_artifact
from predictors.model_files.estimator_file import read_estimator


def champion_of(root: str, name: str, version: str, allow_imports: tuple[str, ...] = ()) -> Champion:
    """Return a version of the registry as a challenger is compared with it.

    Args:
        root: The registry.
        name: The model's name.
        version: The version.
        allow_imports: What its pickle may import besides the platform's list.

    Raises:
        RegistryError: It is not there, or the registry cannot be reached.
        ArtifactError: It is not intact, or its pickle asks for what is not allowed.
        StepError: It has no estimator.
    """
    with TemporaryDirectory(prefix="portside-champion-") as folder:
        artifact = open_artifact(open_registry(root).fetch(name, version, Path(folder)))
        manifest = artifact.manifest
        if manifest.estimator is None:
            raise StepError(
                f"{name} {version} is an ONNX file without its scikit-learn object, which the comparison asks; tag a "
                f"version that was trained here as champion (`portside models tag {name} VERSION champion`)"
            )
        model = read_estimator(artifact.path(manifest.estimator.file), allow_pickle=True, allow_imports=allow_imports)
        return Champion(version, model, manifest.lineage)
