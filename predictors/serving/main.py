# SPDX-License-Identifier: Apache-2.0
"""Serving artifacts: take the ports, load and verify the models, then answer, in one process or in several."""

import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from predictors.errors import SettingsError
from predictors.loading import load
from predictors.served_model import ServedModel
from predictors.serving.ports import Ports, take_ports
from predictors.serving.settings import Settings
from predictors.serving.workers import supervise

_log = logging.getLogger(__name__)


def serve(
    folders: Sequence[Path],
    settings: Settings,
    *,
    name: str | None = None,
    on_ports: Callable[[Ports], None] | None = None,
) -> int:
    """Serve artifacts until a signal asks to stop, and return the exit code.

    Args:
        folders: The artifacts' folders, one for each model.
        settings: How to serve.
        name: The name to serve a single artifact under; its own by default.
        on_ports: Called once the ports are taken and before anything is loaded.

    Raises:
        SettingsError: A port is taken, or two artifacts have one name.
        ArtifactError: An artifact cannot be trusted or used.
    """
    begin = time.monotonic()
    ports = take_ports(settings)
    if on_ports is not None:
        on_ports(ports)
    models = _load(folders, settings, name)
    # One thread for each native library that the models brought in: requests are the unit of parallelism here, a pool
    # for a handful of rows costs more than it gives, and OpenMP's pool does not survive the fork of the workers.
    with threadpool_limits(limits=1):
        # KServe reads the command line when it is imported; ours is not for it.
        del sys.argv[1:]
        # KServe 0.21 uses a response class that FastAPI has since declared obsolete; its operator can do nothing.
        warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
        from predictors.serving.server import Server

        told = ", ".join(f"{model.name} {model.version} ({model.scorer.name})" for model in models)
        where = f"http://{settings.host}:{ports.http_port}"
        grpc = "" if ports.grpc is None else f" and grpc://{settings.host}:{ports.grpc}"
        _log.info("serving %s on %s%s, ready after %.1f s", told, where, grpc, time.monotonic() - begin)
        if settings.workers == 1:
            Server(settings, ports).start(models)
            code = 0
        else:

            def work(supervisor: int) -> int:
                Server(settings, ports, supervisor=supervisor).start(models)
                return 0

            code = supervise(settings.workers, work)
    _log.info("stopped")
    return code


def _load(folders: Sequence[Path], settings: Settings, name: str | None) -> list[ServedModel]:
    if name is not None and len(folders) > 1:
        raise SettingsError("a name can be given to a single model only")
    models: dict[str, ServedModel] = {}
    for folder in folders:
        _log.info("loading %s", folder)
        model = load(folder, settings.load_policy, name=name)
        if model.name in models:
            raise SettingsError(
                f'{folder}: a model named "{model.name}" is served already; serve it from another process'
            )
        models[model.name] = model
    return list(models.values())
