# SPDX-License-Identifier: Apache-2.0
"""A stock KServe custom predictor, run from this very environment."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import STOCK
from benchmarks.models import Model
from benchmarks.servers.server import Command, Ports


class StockKServe:
    """The program in ``stock_predictor.py`` with KServe's defaults."""

    name = STOCK

    def command(self, models: Sequence[Model], ports: Ports, folder: Path) -> Command:  # noqa: ARG002 (writes no files)
        """Return the program with the models' joblib files; KServe reads its ports from the command line too."""
        words = [sys.executable, str(Path(__file__).with_name("stock_predictor.py"))]
        words += [f"--http_port={ports.http}", f"--grpc_port={ports.grpc}"]
        return Command([*words, *(f"{model.name}={model.joblib}" for model in models)])
