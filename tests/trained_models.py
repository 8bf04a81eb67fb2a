# SPDX-License-Identifier: Apache-2.0
"""Artifacts of trained use cases, as `portside pack` makes them."""

from pathlib import Path

from pipelines.use_cases import TrainedModel
from predictors import pack


def pack_trained(trained: TrainedModel, name: str, out: Path) -> Path:
    """Return the folder of the trained model's version 1.0.0."""
    return pack(
        trained.model,
        trained.sample,
        name=name,
        version="1.0.0",
        out=out,
        tensors=trained.tensors,
        processing=trained.processing,
        metrics=trained.metrics,
        lineage=trained.lineage,
    )
