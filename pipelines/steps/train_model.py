# SPDX-License-Identifier: Apache-2.0
"""The step that searches hyper-parameters and fits a model, without a look at the test rows."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output


def train_model(
    use_case: str,
    root: str,  # noqa: ARG001 (every step knows where its refusal is recorded)
    seed: int,
    train: Input[Dataset],
    validation: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Train a challenger.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        seed: What decides every random choice.
        train: The rows that it is fitted on.
        validation: The rows that its operating point is chosen on; maybe none.
        model: The training's folder: the model, its sample, its record.
        metrics: The figures of the validation rows.
    """
    from dataclasses import replace
    from pathlib import Path

    import pandas as pd

    from pipelines.training_folder import write_training
    from pipelines.use_cases import Parts
    from pipelines.use_cases import use_case as find_use_case
    from pipelines.use_cases.training import train_on

    fitted_on = pd.read_parquet(train.path)
    parts = Parts(fitted_on, pd.read_parquet(validation.path), fitted_on[:0])
    trained = train_on(find_use_case(use_case), parts, seed, print)
    if "data_rows" in train.metadata:
        trained = replace(trained, lineage={"rows": int(train.metadata["data_rows"]), **trained.lineage})
    write_training(trained, Path(model.path))
    model.metadata.update({"framework": "scikit-learn", **trained.lineage})
    for name, value in trained.metrics.items():
        metrics.log_metric(name, value)
    chosen = trained.lineage.get("hyperparameters", "nothing to choose")
    print(f"trained on {len(fitted_on):,} rows: {chosen}")
