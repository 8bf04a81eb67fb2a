# SPDX-License-Identifier: Apache-2.0
"""The batch scoring pipeline: the champion's answers for a file of rows."""

from typing import Any

from kfp import dsl

from pipelines.definition.components import component
from pipelines.definition.needs import Place
from pipelines.definition.places import place_task


def scoring_pipeline(use_case: str, name: str, *, image: str, place: Place, root: str) -> Any:
    """Return the batch scoring pipeline of a use case.

    Args:
        use_case: A built-in one, or the module of one's own.
        name: The model's name.
        image: The pipeline image.
        place: What will run it.
        root: The registry, unless a run names another.
    """

    def task(step: str, **inputs: Any) -> Any:
        return place_task(component(step, image)(**inputs), step, place)

    @dsl.pipeline(  # type: ignore[untyped-decorator]  # kfp has no types
        name=f"{name}-scoring", description=f"Score a file of rows with the champion of {name}."
    )
    def scoring(
        out: str,
        use_case: str = use_case,
        root: str = root,
        data: str = "",
        batch: str = "",
        because: str = "",
        notify: str = "",
    ) -> None:
        report = task("report_run", use_case=use_case, root=root, because=because, notify=notify)
        with dsl.ExitHandler(report, name="scoring"):
            task("score_batch", use_case=use_case, root=root, data=data, out=out, batch=batch)

    return scoring
