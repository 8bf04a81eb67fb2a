# SPDX-License-Identifier: Apache-2.0
"""The steps by their names; each is imported when it is asked for, so that one does not wait for what another needs."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

#: Each the name of a module here and of the function in it.
STEPS: Final = (
    "resolve_inputs",
    "load_data",
    "validate_data",
    "train_model",
    "evaluate_model",
    "compare_models",
    "package_model",
    "deploy_model",
    "report_run",
    "score_batch",
)


def function_of(step: str) -> Callable[..., None]:
    """Return a step's function."""
    function: Callable[..., None] = getattr(import_module(f"pipelines.steps.{step}"), step)
    return function
