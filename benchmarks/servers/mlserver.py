# SPDX-License-Identifier: Apache-2.0
"""MLServer with its scikit-learn runtime, in an environment of its own: its dependencies contradict KServe's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.figures import MLSERVER
from benchmarks.models import Model
from benchmarks.servers.server import Command, Ports

_PROGRAM: Final = Path(__file__).parents[2] / "build" / "mlserver-venv" / "bin" / "mlserver"
#: Why it is left out, and what to do about it.
ABSENT: Final = "MLServer is not installed and left out; `make bench-mlserver` installs it."


class MLServer:
    """MLServer answering in one process, which on one core is its faster way, and without its debugging output."""

    name = MLSERVER

    @staticmethod
    def installed() -> bool:
        """Return whether its environment is there."""
        return _PROGRAM.exists()

    def command(self, models: Sequence[Model], ports: Ports, folder: Path) -> Command:
        """Write the settings of server and models, and return ``mlserver start``."""
        settings = {
            "host": "127.0.0.1",
            "http_port": ports.http,
            "grpc_port": ports.grpc,
            "metrics_port": ports.metrics,
            "parallel_workers": 0,
            "debug": False,
        }
        _write(folder / "settings.json", settings)
        for model in models:
            place = folder / model.name
            place.mkdir(exist_ok=True)
            parameters: dict[str, Any] = {"uri": str(model.joblib), "extra": {"predict_fn": "predict_proba"}}
            if model.datatype == "BYTES":
                parameters["content_type"] = "str"
            implementation = "mlserver_sklearn.SKLearnModel"
            _write(
                place / "model-settings.json",
                {"name": model.name, "implementation": implementation, "parameters": parameters},
            )
        return Command([str(_PROGRAM), "start", "."], folder=folder)


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_bytes(orjson.dumps(document))
