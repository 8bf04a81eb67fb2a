# SPDX-License-Identifier: Apache-2.0
"""The components: each runs one step in the pipeline image, and its interface is the step's own signature."""

import inspect
from collections.abc import Callable
from typing import Any

from kfp import dsl

from pipelines.steps.names import function_of


def component(step: str, image: str) -> Callable[..., Any]:
    """Return the component that runs a step.

    Args:
        step: One of ``STEPS``.
        image: The pipeline image.
    """
    function = function_of(step)

    def container(*_arguments: Any, **_named: Any) -> dsl.ContainerSpec:
        # The run's name is an argument and no input: inputs decide whether a step comes from the cache.
        return dsl.ContainerSpec(
            image=image,
            command=["python", "-m", "pipelines", step],
            args=[
                "--run",
                dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
                "--executor_input",
                dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
            ],
        )

    container.__name__ = function.__name__
    container.__doc__ = function.__doc__
    inputs = {name: kind for name, kind in function.__annotations__.items() if name != "return"}
    container.__annotations__ = inputs
    without_return = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
    container.__signature__ = without_return  # type: ignore[attr-defined]
    made: Callable[..., Any] = dsl.container_component(container)
    return made
