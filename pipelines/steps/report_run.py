# SPDX-License-Identifier: Apache-2.0
"""The exit step: says how the run ended, keeps it in the registry, tells whoever wants to know."""

from kfp import dsl


def report_run(status: dsl.PipelineTaskFinalStatus, use_case: str, root: str, because: str, notify: str) -> None:
    """Report how a run ended, whatever ended it.

    Args:
        status: What Kubeflow says of it.
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        because: Why it was started; empty where nobody said.
        notify: A URL that is told by POST; empty tells nobody.
    """
    import os

    from pipelines.deploying import run_record
    from pipelines.registry import open_registry
    from pipelines.running.claims import Claims
    from pipelines.running.refusals import read_refusal
    from pipelines.use_cases import use_case as find_use_case

    run = os.environ["PORTSIDE_RUN"]
    model = find_use_case(use_case).PLAN.name
    registry = open_registry(root)
    record = run_record.record_of(
        registry,
        run=run,
        model=model,
        state=status.state,
        because=because,
        refusal=read_refusal(root, use_case, run),
        message=status.error_message or "",
    )
    print(record.line)
    registry.records.write(run_record.record_path(model, run), record.to_bytes())
    Claims(registry.records, model).release_run(run)
    complaint = run_record.notify(notify, record) if notify else None
    if complaint is not None:
        print(f"notification: {complaint}")
