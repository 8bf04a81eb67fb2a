# SPDX-License-Identifier: Apache-2.0
"""Kubeflow's local runner, taught three things: to run our container components, to be quiet, and to tell of its cache.

kfp 2.17 runs a pipeline in this process and each step in a process of its own, but refuses container components in
subprocesses, since it cannot know that their image is what is installed here. Ours is.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from unittest import mock

from kfp import dsl, local
from kfp.local import cache, config, logging_utils, status, subprocess_task_handler
from kfp.local.subprocess_task_handler import SubprocessTaskHandler

from pipelines.running.step_processes import step_processes

_STEP_AT: Final = 3  # python -m pipelines STEP ...
_RUN_AT: Final = 2  # STEP --run NAME
_COMPONENT: Final = "comp-"

#: How a step went.
State: TypeAlias = Literal["done", "cached", "failed"]
#: Is told of each step that is over: its name, how it went, the lines that it printed (then, when it is cached).
OnStep: TypeAlias = Callable[[str, State, list[str]], None]


@contextmanager
def local_runner(
    run: str, outputs: Path, environ: Mapping[str, str], on_start: Callable[[], None], on_step: OnStep
) -> Iterator[None]:
    """Let pipelines that are called run here, within the ``with`` statement.

    Args:
        run: The run's name.
        outputs: Where steps write, and where what they wrote is found again.
        environ: Of the steps' processes.
        on_start: Is told when a step begins.
        on_step: Is told of each step that is over.
    """

    class Handler(SubprocessTaskHandler):  # type: ignore[misc]  # kfp has no types
        """Runs a step in a process here."""

        def validate_image(self, image: str) -> None:
            """Take any: what is installed here runs."""

        def validate_not_container_component(self, full_command: list[str]) -> None:
            """Take ours."""

        def run(self) -> status.Status:
            """Run the step, its output into its log."""
            step = self.full_command[_STEP_AT]
            words = list(self.full_command[_STEP_AT:])
            words[_RUN_AT] = run
            log = outputs / f"{run}.logs" / f"{step}.txt"
            on_start()
            code = steps.run(words, log)
            lines = log.read_text(errors="replace").splitlines()
            kept.printed = lines
            on_step(step, "done" if code == 0 else "failed", lines)
            return status.Status.SUCCESS if code == 0 else status.Status.FAILURE

    class Cache(cache.LocalCache):  # type: ignore[misc]
        """Keeps what steps print besides their outputs, and tells which step it had the outputs of."""

        asked = ""
        printed: Sequence[str] = ()

        def compute_key(self, component_name: str, *arguments: Any, **named: Any) -> str:
            self.asked = component_name.removeprefix(_COMPONENT).replace("-", "_")
            key: str = super().compute_key(component_name, *arguments, **named)
            return key

        def get(self, key: str) -> dict[str, Any] | None:
            found: dict[str, Any] | None = super().get(key)
            if found is not None:
                printed = self._lines_of(key)
                on_step(self.asked, "cached", printed.read_text().splitlines() if printed.is_file() else [])
            return found

        def put(self, key: str, outputs: dict[str, Any]) -> None:
            self._lines_of(key).write_text("\n".join(self.printed))
            # What has lost a file counts as lost, and metrics are told without one.
            for output in outputs.values():
                if isinstance(output, (dsl.Metrics, dsl.ClassificationMetrics)):
                    Path(output.uri).touch()
            super().put(key, outputs)

        def _lines_of(self, key: str) -> Path:
            return Path(self.cache_root, f"{key}.txt")

    kept = Cache(str(outputs / "cache"))
    with (
        step_processes(environ) as steps,
        mock.patch.object(subprocess_task_handler, "SubprocessTaskHandler", Handler),
        mock.patch.object(cache, "get_local_cache", return_value=kept),
        mock.patch.object(logging_utils, "print_horizontal_line"),
        mock.patch.object(logging_utils, "indented_print", nullcontext),
        _quiet(),
    ):
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(outputs),
            workspace_root=str(outputs / f"{run}.workspace"),
            enable_caching=True,
        )
        try:
            yield
        finally:
            config.LocalExecutionConfig.instance = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep kfp's own account of a run, and its warnings that resources mean nothing here, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
