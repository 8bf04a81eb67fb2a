# SPDX-License-Identifier: Apache-2.0
"""A training that takes as long as a test wants it to, in place of minutes of real ones."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.running.process import this_process
from pipelines.running.retraining import Outcome
from pipelines.use_cases import Progress


@dataclass(frozen=True)
class Waiting:
    """Runs on this machine, until there is a file ``go``, and says in files that it has begun and ended.

    Attributes:
        root: The registry.
        folder: Where the files are.
    """

    root: str
    folder: Path
    waits: bool = True

    def where(self) -> dict[str, str]:
        return {"backend": "local", **this_process()}

    def train(self, use_case: str, run: str, because: str, tell: Progress) -> Outcome:
        (self.folder / "begun.new").write_text(f"{os.getpid()} {run} {because}")
        (self.folder / "begun.new").rename(self.folder / "begun")
        tell("waiting")
        try:
            while not (self.folder / "go").exists():
                time.sleep(0.01)
        except SystemExit:
            (self.folder / "ended early").touch()
            raise
        return Outcome(f"{run}: done")

    def begun(self) -> tuple[int, str, str]:
        """Wait for a run to begin; return its process, its name and its reason."""
        while not (self.folder / "begun").exists():
            time.sleep(0.01)
        pid, run, because = (self.folder / "begun").read_text().split(maxsplit=2)
        return int(pid), run, because
