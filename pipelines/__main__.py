# SPDX-License-Identifier: Apache-2.0
"""A component's entry point: ``python -m pipelines STEP --run NAME --executor_input JSON``, as the compiled specs say.

Exits with 0 when the step is done and with 1 when it refuses, which it says in one line that begins with ``refused:``;
what it refuses is also recorded in the registry, where the exit step finds it.
"""

import argparse
import json
import os
import sys
from typing import Any, Final

from pipelines.steps.names import STEPS, function_of

_EXIT_STEP: Final = "report_run"


def main(words: list[str] | None = None) -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Run one step of a pipeline.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--run", required=True, metavar="NAME", help="the run that the step belongs to")
    parser.add_argument("--executor_input", required=True, metavar="JSON", help="what Kubeflow tells the step")
    given = parser.parse_args(words)
    os.environ["PORTSIDE_RUN"] = given.run
    try:
        executor_input = json.loads(given.executor_input)
    except ValueError as err:
        parser.error(f"--executor_input is not JSON: {err}")
    # Kubeflow's own word for a step's process: without it, kfp imports its client and Kubernetes', for seconds.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    from kfp.dsl.executor import Executor

    try:
        Executor(executor_input=executor_input, function_to_execute=function_of(given.step)).execute()
    except _refusals() as err:
        print(f"refused: {err}", file=sys.stderr)  # noqa: T201 (the step's log is its output)
        _record(given.step, given.run, executor_input, str(err))
        sys.exit(1)
    except Exception as err:  # the process's edge: the exit step tells of what nobody foresaw, too
        _record(given.step, given.run, executor_input, f"{type(err).__name__}: {err}")
        raise


def _refusals() -> tuple[type[Exception], ...]:
    from predictors.errors import PredictorError

    cluster = sys.modules.get("cluster.errors")
    return (PredictorError, cluster.ClusterError) if cluster is not None else (PredictorError,)


def _record(step: str, run: str, executor_input: dict[str, Any], sentence: str) -> None:
    from pipelines.running.refusals import record_refusal

    if step == _EXIT_STEP:
        # What the record is kept for: it must not write over what ended the run.
        return
    given = executor_input.get("inputs", {}).get("parameterValues", {})
    if given.get("root") and given.get("use_case"):
        record_refusal(given["root"], given["use_case"], run, step, sentence)


if __name__ == "__main__":
    main()
