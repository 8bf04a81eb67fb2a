# SPDX-License-Identifier: Apache-2.0
"""The champion as far as data are checked against it: its reference distribution, its model, its errors on its test."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import StepError
from pipelines.registry import Registry
from predictors.artifact import REFERENCE, open_artifact
from predictors.reference import Reference

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


@dataclass(frozen=True, slots=True)
class Errors:
    """How a classifier's answers compare with labels: counts of rows.

    Attributes:
        positives: Rows with the positive label.
        missed: Of them, those that the model does not flag.
        negatives: Rows with another label.
        false_alarms: Of them, those that it flags.
    """

    positives: int
    missed: int
    negatives: int
    false_alarms: int

    @classmethod
    def measured(cls, metrics: Mapping[str, float | int | str]) -> "Errors | None":
        """Return the errors that an artifact's metrics tell of its test; None where they do not."""
        names = ("true_positives", "false_negatives", "true_negatives", "false_positives")
        if any(name not in metrics for name in names):
            return None
        hits, missed, quiet, alarms = (int(metrics[name]) for name in names)
        return cls(hits + missed, missed, quiet + alarms, alarms)


@dataclass(frozen=True, eq=False)
class Champion:
    """The version that serves now.

    Attributes:
        version: Its version.
        reference: The distribution of the rows that it was fitted on.
        model: Its estimator; None for a model of another origin.
        errors: How often it erred on its test; None where that is not known.
    """

    version: str
    reference: Reference
    model: "BaseEstimator | None"
    errors: Errors | None


def read_champion(registry: Registry, name: str, version: str, imports: Collection[str] = ()) -> Champion:
    """Return a version of the registry as data are checked against it.

    Args:
        registry: Where it is.
        name: The model's name.
        version: Its version.
        imports: What its model's file may import besides the platform's list.

    Raises:
        RegistryError: It is not there, or the registry cannot be reached.
        ArtifactError: It cannot be loaded.
        StepError: Its reference distribution cannot be read.
    """
    from pydantic import ValidationError

    from predictors.model_files.estimator_file import read_estimator

    with tempfile.TemporaryDirectory(prefix="portside-champion-") as folder:
        artifact = open_artifact(registry.fetch(name, version, Path(folder)))
        try:
            reference = Reference.model_validate_json(artifact.path(REFERENCE).read_bytes())
        except ValidationError as err:
            raise StepError(f"{name} {version}: its {REFERENCE} cannot be read; publish it again") from err
        entry = artifact.manifest.estimator
        model = (
            None
            if entry is None
            # Of one's own registry and just verified; it imports what the platform's list has, and one's own.
            else read_estimator(artifact.path(entry.file), allow_pickle=True, allow_imports=imports)
        )
        return Champion(version, reference, model, Errors.measured(artifact.manifest.metrics))
