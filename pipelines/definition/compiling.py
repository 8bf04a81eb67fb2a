# SPDX-License-Identifier: Apache-2.0
"""From the pipelines to YAML: the same bytes for the same image, one file for Kubeflow and one for Vertex AI."""

import warnings
from pathlib import Path
from typing import Any, Final

from kfp import compiler

from pipelines.definition.needs import DEFAULT_ROOTS, TARGETS, Place
from pipelines.definition.scoring_pipeline import scoring_pipeline
from pipelines.definition.training_pipeline import training_pipeline
from pipelines.errors import PipelineError
from pipelines.use_cases import NAMES, use_case

#: Vertex AI takes one document, and Kubeflow's own two: what Kubernetes must know stands in the second.
_SUFFIXES: Final[dict[Place, str]] = {"kfp": ".yaml", "vertex": ".vertex.yaml"}


def compile_all(out: Path, image: str) -> list[Path]:
    """Write every built-in pipeline for Kubeflow and for Vertex AI, and return the files.

    Args:
        out: The folder to write to, made when it is missing.
        image: The pipeline image, with its digest.

    Raises:
        PipelineError: The folder cannot be written to.
    """
    return [path for name in NAMES for path in compile_one(name, out, image)]


def compile_one(name: str, out: Path, image: str) -> list[Path]:
    """Write a use case's training and batch scoring pipelines, and return the files.

    Args:
        name: A built-in use case, or the module of one's own.
        out: The folder to write to, made when it is missing.
        image: The pipeline image, with its digest.

    Raises:
        PipelineError: There is no such use case, or the folder cannot be written to.
    """
    model = use_case(name).PLAN.name
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for place, suffix in _SUFFIXES.items():
            written.append(write(training_of(name, image=image, place=place), out / f"{model}{suffix}"))
            written.append(write(scoring_of(name, image=image, place=place), out / f"{model}-scoring{suffix}"))
    except OSError as err:
        raise PipelineError(f"{err.filename or out}: cannot be written: {err.strerror}; give another --out") from err
    return written


def write(pipeline: Any, path: Path) -> Path:
    """Compile a pipeline into a file and return the file's path."""
    with warnings.catch_warnings():
        # Its sentence about a schema version of the artifact types is no news to those who compile.
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(pipeline, str(path))
    return path


def training_of(name: str, *, image: str, place: Place, root: str | None = None) -> Any:
    """Return the training pipeline of a use case for a place.

    Raises:
        PipelineError: There is no such use case.
    """
    model = use_case(name).PLAN.name
    return training_pipeline(
        name, model, image=image, place=place, root=root or DEFAULT_ROOTS[place], deploy_to=TARGETS[place]
    )


def scoring_of(name: str, *, image: str, place: Place, root: str | None = None) -> Any:
    """Return the batch scoring pipeline of a use case for a place.

    Raises:
        PipelineError: There is no such use case.
    """
    model = use_case(name).PLAN.name
    return scoring_pipeline(name, model, image=image, place=place, root=root or DEFAULT_ROOTS[place])
