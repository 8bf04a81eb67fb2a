# SPDX-License-Identifier: Apache-2.0
"""Runs of `portside pipeline run`, each in a process of its own, with what they leave behind."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_SECONDS = 280
PURE = ["load_data", "validate_data", "train_model", "evaluate_model", "compare_models", "package_model"]


@dataclass(frozen=True)
class Place:
    """A folder with a registry and the outputs of runs.

    Attributes:
        folder: Where runs are started.
    """

    folder: Path

    def run(self, use_case: str, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a use case's pipeline, which must end with that exit code, and return the result."""
        done = subprocess.run(
            self.command(use_case, *words), capture_output=True, text=True, cwd=self.folder, timeout=RUN_SECONDS
        )
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def command(self, use_case: str, *words: str) -> list[str]:
        """Return the words of such a run."""
        return [sys.executable, "-m", "portside", "pipeline", "run", use_case, "--json", *words]

    @property
    def registry(self) -> Path:
        """The registry, in its usual place."""
        return self.folder / "build" / "registry"

    def files(self, model: str) -> dict[str, bytes]:
        """Return the files of all versions of a model, and of its aliases."""
        root = self.registry / model
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def output(self, model: str, result: dict[str, Any], name: str) -> Path:
        """Return where a run's step wrote an output; the run must have computed it."""
        (found,) = (self.folder / "build" / "pipelines" / model).glob(f"{model}-*/*/{name}")
        assert result["state"] == "succeeded"
        return found


def states(result: dict[str, Any]) -> dict[str, str]:
    """Return how each step of a run went, in order."""
    return {each["step"]: each["state"] for each in result["steps"]}


def start(place: Place, use_case: str, *words: str) -> "subprocess.Popen[str]":
    """Start a run in a process group of its own, so that it can be killed with all of its steps."""
    return subprocess.Popen(
        place.command(use_case, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place.folder,
        env=dict(os.environ),
        start_new_session=True,
        # Where this process is one of a shell's in the background, Ctrl-C is ignored, and so it would be in the run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no threads here)
    )
