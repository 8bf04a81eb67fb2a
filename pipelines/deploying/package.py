# SPDX-License-Identifier: Apache-2.0
"""A trained model's folder made into the artifact of a version: the same inputs give the very same artifact."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

from pipelines.errors import StepError
from pipelines.registry import Registry
from predictors.artifact import Artifact, open_artifact
from predictors.packing_files import TrainingRecord, pack_file

#: What the lineage calls the digest over data, seed and code: two runs with the same one are the same run.
FINGERPRINT: Final = "fingerprint"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version comes from, as its lineage tells it.

    Attributes:
        data_source: The data, in words or as a URI.
        data_digest: ``sha256:`` and the digest of the data's bytes.
        seed: What decided every split and every random choice.
        fingerprint: The digest over model, data, seed and code.
        champion: The version that it was compared with; empty where there was none.
        reason: Why it was trained; empty where nobody said.
        run: The pipeline run.
    """

    data_source: str
    data_digest: str
    seed: int
    fingerprint: str
    champion: str
    reason: str
    run: str

    def lineage(self) -> dict[str, float | int | str]:
        """Return what is known of it, as an artifact's lineage."""
        told: dict[str, float | int | str] = {
            "data_source": self.data_source,
            "data_digest": self.data_digest,
            FINGERPRINT: self.fingerprint,
            "champion": self.champion,
            "reason": self.reason,
            "run": self.run,
        }
        return {"seed": self.seed, **{name: text for name, text in told.items() if text != ""}}


def published_by_this_run(registry: Registry, name: str, version: str, fingerprint: str) -> bool:
    """Return whether the registry holds what this run, begun before and interrupted, has published already.

    Raises:
        StepError: It holds the version, and it is another run's.
        RegistryError: The registry cannot be reached.
    """
    if version not in registry.versions(name):
        return False
    if registry.manifest(name, version).lineage.get(FINGERPRINT) == fingerprint:
        return True
    raise StepError(
        f"{registry.address(name, version)}: this version exists with another content, which another run has published "
        "meanwhile; start the run again, and it takes the next version"
    )


def package(
    folder: Path,
    *,
    name: str,
    version: str,
    origin: Origin,
    metrics: Mapping[str, float | int | str],
    into: Path,
    imports: Sequence[str] = (),
) -> Artifact:
    """Pack what a training run has written, and return the artifact.

    Args:
        folder: The training's: ``model.joblib``, ``sample.parquet`` and ``training.json``.
        name: The model's name.
        version: Its version.
        origin: Where it comes from.
        metrics: Figures of the evaluation, in place of the training's where both have one; those that say nothing (NaN)
            are left out.
        into: The artifact's own folder; what an earlier attempt left there goes.
        imports: What the model's file may import, besides the platform's list: a run trusts what it has trained.

    Raises:
        ArtifactError: The model's file asks for what is not on the platform's list.
        PackingError: Model and sample do not fit each other.
    """
    record = TrainingRecord.model_validate_json((folder / "training.json").read_bytes())
    figures = {**metrics, **{figure: value for figure, value in record.metrics.items() if figure not in metrics}}
    finite = {figure: value for figure, value in figures.items() if isinstance(value, str) or isfinite(value)}
    told = record.model_copy(update={"metrics": finite, "lineage": {**record.lineage, **origin.lineage()}})
    with tempfile.TemporaryDirectory(prefix="portside-package-") as temporary:
        training = Path(temporary, "training.json")
        training.write_text(told.model_dump_json())
        packed = pack_file(
            folder / "model.joblib",
            name=name,
            version=version,
            out=Path(temporary, "artifacts"),
            sample=folder / "sample.parquet",
            training=training,
            allow_pickle=bool(imports),
            allow_imports=tuple(imports),
        )
        return put(packed.folder, into)


def put(folder: Path, into: Path) -> Artifact:
    """Copy an artifact's files into another folder, in place of what is there, and return it from there."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(folder, into)
    return open_artifact(into)
