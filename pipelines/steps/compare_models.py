# SPDX-License-Identifier: Apache-2.0
"""The step that decides whether a challenger takes the champion's place."""

from kfp.dsl import Artifact, Dataset, Input, Markdown, Metrics, Model, Output, OutputPath


def compare_models(
    use_case: str,
    root: str,
    champion: str,
    seed: int,
    model: Input[Model],
    test: Input[Dataset],
    evaluation: Input[Artifact],
    verdict: Output[Markdown],
    metrics: Output[Metrics],
    promote: OutputPath(bool),  # type: ignore[valid-type]
) -> None:
    """Compare a challenger with the champion on the same rows; a first model with its floors.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        champion: The version that serves now; empty where none does.
        seed: Of the bootstrap's draws.
        model: The training's folder.
        test: Rows that it has not seen.
        evaluation: The challenger's evaluation, JSON.
        verdict: The decision for people.
        metrics: The figures that were compared.
        promote: Whether the challenger becomes the champion.
    """
    from pathlib import Path

    import pandas as pd

    from pipelines.evaluation.evaluation import Evaluation
    from pipelines.evaluation.judgement import judge
    from pipelines.evaluation.registered_champion import champion_of
    from pipelines.training_folder import read_model
    from pipelines.use_cases import imports_of
    from pipelines.use_cases import use_case as find_use_case

    module, allowed = find_use_case(use_case), imports_of(use_case)
    judgement = judge(
        module,
        read_model(Path(model.path), allowed),
        pd.read_parquet(test.path),
        Evaluation.from_json(Path(evaluation.path).read_bytes()),
        champion=champion_of(root, module.PLAN.name, champion, allowed) if champion else None,
        seed=seed,
    )
    Path(verdict.path).write_text(judgement.to_markdown(), encoding="utf-8")
    for name, value in judgement.figures().items():
        metrics.log_metric(name, value)
    Path(promote).write_text("true" if judgement.decision.promote else "false")
    print(judgement.decision.sentence)
