# SPDX-License-Identifier: Apache-2.0
"""Champions as package_model makes them: with the counts of their errors on their test."""

from pathlib import Path

from pipelines.evaluation.evaluation import evaluate
from pipelines.registry import open_registry
from pipelines.use_cases import Parts, TrainedModel, use_case
from predictors import pack


def publish_champion(root: Path, name: str, trained: TrainedModel, parts: Parts) -> None:
    """Publish a trained model as version 1.0.0, the champion."""
    folder = pack(
        trained.model,
        trained.sample,
        name=name,
        version="1.0.0",
        out=root.parent / "packed",
        tensors=trained.tensors,
        processing=trained.processing,
        metrics=evaluate(use_case(name), trained.model, parts.test, 0, resamples=10).metrics,
        onnx=False,
    )
    registry = open_registry(str(root))
    registry.publish(folder)
    registry.tag(name, "champion", "1.0.0")
