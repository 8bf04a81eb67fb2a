# SPDX-License-Identifier: Apache-2.0
"""Portside, by its command line."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import PORTSIDE
from benchmarks.models import Model
from benchmarks.servers.server import Command, Ports


@dataclass(frozen=True)
class Portside:
    """``portside serve`` with its defaults, unless told otherwise.

    Attributes:
        name: What tables and JSON call it.
        workers: Processes that answer.
        environ: ``PREDICTOR_*`` settings.
    """

    name: str = PORTSIDE
    workers: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)

    def command(self, models: Sequence[Model], ports: Ports, folder: Path) -> Command:  # noqa: ARG002 (writes no files)
        """Return ``portside serve`` for the models' artifacts."""
        words = [sys.executable, "-m", "portside", "serve", *(str(model.artifact) for model in models)]
        words += ["--http-port", str(ports.http), "--grpc-port", str(ports.grpc), "--workers", str(self.workers)]
        # It would go on answering for some seconds after the signal to end, for which a benchmark need not wait.
        return Command(words, environ={"PREDICTOR_DRAIN_SECONDS": "0", **self.environ})
