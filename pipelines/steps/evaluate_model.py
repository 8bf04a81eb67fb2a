# SPDX-License-Identifier: Apache-2.0
"""The step that evaluates a challenger on test rows that took no part in any choice."""

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output


def evaluate_model(
    use_case: str,
    root: str,  # noqa: ARG001 (every step knows where its refusal is recorded)
    seed: int,
    model: Input[Model],
    test: Input[Dataset],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    curves: Output[ClassificationMetrics],
    report: Output[HTML],
) -> None:
    """Evaluate a challenger, with intervals, slices and calibration.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        seed: Of the bootstrap's draws.
        model: The training's folder.
        test: Rows that it has not seen.
        evaluation: All of it, JSON.
        metrics: The figures, those of intervals with ``_low`` and ``_high`` behind their names.
        curves: A classifier's confusion matrix and ROC curve; empty for another model.
        report: The page for people.
    """
    from pathlib import Path

    import pandas as pd

    from pipelines.evaluation.evaluation import evaluate
    from pipelines.evaluation.report.page import evaluation_page
    from pipelines.training_folder import read_model
    from pipelines.use_cases import imports_of
    from pipelines.use_cases import use_case as find_use_case

    module, folder = find_use_case(use_case), Path(model.path)
    rows = pd.read_parquet(test.path)
    found = evaluate(module, read_model(folder, imports_of(use_case)), rows, seed)
    Path(evaluation.path).write_bytes(found.to_json())
    for name, value in found.metrics.items():
        metrics.log_metric(name, value)
    for name, (low, high) in found.intervals.items():
        metrics.log_metric(f"{name}_low", low)
        metrics.log_metric(f"{name}_high", high)
    if found.confusion is not None:
        counts = found.confusion
        matrix = [[counts.true_negatives, counts.false_positives], [counts.false_negatives, counts.true_positives]]
        curves.log_confusion_matrix([f"not {module.PLAN.positive}", str(module.PLAN.positive)], matrix)
    if found.curve:
        curves.log_roc_curve(
            [point.false_positive_rate for point in found.curve],
            [point.recall for point in found.curve],
            [point.threshold for point in found.curve],
        )
    facts = {
        "model": module.PLAN.name,
        "positive": "" if module.PLAN.positive is None else f"{module.PLAN.target} = {module.PLAN.positive}",
        "data": str(test.metadata.get("digest", "")),
        "seed": str(seed),
        "hyper-parameters": str(model.metadata.get("hyperparameters", "")),
    }
    Path(report.path).write_text(evaluation_page(found, f"{module.PLAN.title}: evaluation", facts), encoding="utf-8")
    primary = module.PLAN.primary
    low, high = found.intervals.get(primary, (float("nan"), float("nan")))
    print(f"{primary} {found.metrics[primary]:.4f} ({low:.4f} to {high:.4f}) on {found.rows:,} test outcomes")
