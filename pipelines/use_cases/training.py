# SPDX-License-Identifier: Apache-2.0
"""Training, written once for all use cases: search, fit and evaluate, over the functions of a module."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import pandas as pd

from pipelines.use_cases.operating_point import threshold_of
from pipelines.use_cases.use_case import Parts, Progress, TrainedModel, UseCase, figures, silent


def train(module: UseCase, seed: int = 0, progress: Progress = silent) -> TrainedModel:
    """Train a use case on the data of its own source, and evaluate it on rows that took no part in any choice.

    Args:
        module: The use case.
        seed: Decides every split and every random choice.
        progress: Is told what takes long.

    Raises:
        DataError: The data are not installed, or are not those that the use case is made for.
        PipelineError: The data do not allow a choice.
    """
    from pipelines.data.source import read_data

    data = read_data(module, "")
    parts = module.split(data.frame, seed)
    trained = train_on(module, parts, seed, progress)
    tested = figures(module, module.outcomes(trained.model, parts.test))
    lineage = {"data_source": data.source, "data_digest": data.digest, "rows": len(data.frame), **trained.lineage}
    return replace(trained, metrics={**tested, **trained.metrics}, lineage=lineage)


def train_on(module: UseCase, parts: Parts, seed: int, progress: Progress = silent) -> TrainedModel:
    """Search hyper-parameters and fit a model, without a look at the test rows.

    Its metrics are the threshold, where it has one, and those of the validation rows, where there are any.
    """
    params = module.search(parts.train, seed, progress)
    chosen = ", ".join(f"{name}={value:g}" for name, value in params.items())
    progress(
        f"fitting on {len(parts.train):,} rows with {chosen}" if chosen else f"fitting on {len(parts.train):,} rows"
    )
    model = module.fit(parts, params, seed)
    return TrainedModel(
        model=model,
        sample=module.features(parts.train).reset_index(drop=True),
        metrics={**_threshold(model), **_validated(module, model, parts.validation)},
        lineage={"seed": seed, **({"hyperparameters": chosen} if chosen else {})},
        processing=module.PLAN.processing,
        tensors=module.PLAN.tensors,
    )


def _threshold(model: object) -> Mapping[str, float]:
    threshold = threshold_of(model)
    return {} if threshold is None else {"threshold": threshold}


def _validated(module: UseCase, model: object, rows: pd.DataFrame) -> Mapping[str, float]:
    """Return the shares, without the counts, of what the model does to the rows that its threshold was chosen on."""
    if rows.empty:
        return {}
    measured = figures(module, module.outcomes(model, rows))
    return {
        f"validation_{name}": value for name, value in measured.items() if isinstance(value, float) and isfinite(value)
    }
