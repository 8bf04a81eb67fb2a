# SPDX-License-Identifier: Apache-2.0
"""The step that stops a run whose data are wrong."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Output


def validate_data(
    use_case: str,
    root: str,
    champion: str,
    train: Input[Dataset],
    validation: Input[Dataset],
    test: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Check the data of a run, and refuse to go on with what no model should be trained on.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        champion: The version that serves now, which the data are checked against; empty where there is none.
        train: The rows that a model is fitted on.
        validation: The rows that its operating point is chosen on.
        test: The rows that it is evaluated on.
        report: All checks and what they found, written even when it refuses.
        metrics: How many checks there were, findings, and each feature's shift from the champion's data.
    """
    from pathlib import Path

    import pandas as pd

    from pipelines.data.champion import read_champion
    from pipelines.data.findings import refusal
    from pipelines.data.report.page import render_page
    from pipelines.data.validation import validate
    from pipelines.errors import StepError
    from pipelines.registry import open_registry
    from pipelines.use_cases import Parts, imports_of
    from pipelines.use_cases import use_case as find_use_case

    module = find_use_case(use_case)
    parts = Parts(*(pd.read_parquet(dataset.path) for dataset in (train, validation, test)))
    serving = read_champion(open_registry(root), module.PLAN.name, champion, imports_of(use_case)) if champion else None
    findings = validate(module, parts, serving)
    Path(report.path).write_text(render_page(findings, module.PLAN.title, champion))
    for name, value in findings.metrics().items():
        metrics.log_metric(name, value)
    if findings.stopping:
        raise StepError(refusal(findings.stopping))
    for remark in findings.remarks:
        print(f"remark: {remark.sentence}")
    print(f"the data pass {findings.passed} checks")
