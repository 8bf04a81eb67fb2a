# SPDX-License-Identifier: Apache-2.0
"""Serving artifacts: take the ports, load and verify the models, then answer, in one process or in several."""

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from predictors.errors import SettingsError, quoted_names
from predictors.loading import load
from predictors.served_model import ServedModel
from predictors.serving.lobby import lobby
from predictors.serving.metrics.log_results import LogResults
from predictors.serving.metrics.meter import Meter
from predictors.serving.ports import Ports, take_ports
from predictors.serving.prediction_log.log import PredictionLog
from predictors.serving.server import Served, Server
from predictors.serving.settings import Settings
from predictors.serving.workers import supervise

if TYPE_CHECKING:
    from predictors.vertex.contract import Contract

_log = logging.getLogger(__name__)


def serve(
    folders: Sequence[Path],
    settings: Settings,
    *,
    name: str | None = None,
    on_ports: Callable[[Ports], None] | None = None,
    contract: "Contract | None" = None,
) -> int:
    """Serve artifacts until a signal asks to stop, and return the exit code.

    Args:
        folders: The artifacts' folders, one for each model.
        settings: How to serve.
        name: The name to serve a single artifact under; its own by default.
        on_ports: Called once the ports are taken and before anything is loaded.
        contract: What Vertex AI asks of the server; None where it is not there. An artifact that it names is brought
            into the one folder first.

    Raises:
        SettingsError: A port is taken, two artifacts have one name, or two settings do not go together.
        ArtifactError: An artifact cannot be trusted or used.
    """
    begin = time.monotonic()
    if settings.model_repository and settings.workers > 1:
        raise SettingsError("PREDICTOR_MODEL_REPOSITORY needs a single worker: loading would reach one of them only")
    if name is not None and len(folders) > 1:
        raise SettingsError("a name can be given to a single model only")
    log_results = LogResults(workers=settings.workers)
    prediction_log = _prediction_log(settings, log_results)
    ports = take_ports(settings)
    if on_ports is not None:
        on_ports(ports)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_at_once)
    with lobby(ports.http, contract):
        if contract is not None and contract.storage_uri is not None:
            from predictors.vertex.storage import download

            download(contract.storage_uri, folders[0])
        homes = _load(folders, settings, name)
    _check_redacted(settings, [model for _, model in homes.values()])
    served = [Served(model, Meter(model, workers=settings.workers)) for _, model in homes.values()]

    def reload(model_name: str) -> ServedModel:
        return load(homes[model_name][0], settings.load_policy, name=model_name)

    def work(number: int, supervisor: int | None) -> int:
        for one in served:
            one.meter.use_row(number)
        log_results.use_row(number)
        server = Server(
            settings,
            ports,
            reload=reload,
            prediction_log=prediction_log,
            log_results=None if prediction_log is None else log_results,
            supervisor=supervisor,
            contract=contract,
        )
        server.run(served)
        return 0

    # One thread for each native library that the models brought in: requests are the unit of parallelism here, a pool
    # for a handful of rows costs more than it gives, and OpenMP's pool does not survive the fork of the workers.
    with threadpool_limits(limits=1):
        # What is loaded stays: the collector need not look at it again, nor touch memory that workers share.
        gc.collect()
        gc.freeze()
        told = ", ".join(f"{one.model.name} {one.model.version} ({one.model.scorer.name})" for one in served)
        where = f"http://{settings.host}:{ports.http_port}"
        grpc = "" if ports.grpc is None else f" and grpc://{settings.host}:{ports.grpc_port}"
        ports.listen()
        _log.info("serving %s on %s%s, ready after %.1f s", told, where, grpc, time.monotonic() - begin)
        code = work(0, None) if settings.workers == 1 else supervise(settings.workers, work, ports.close)
    _log.info("stopped")
    return code


def _end_at_once(*_: object) -> None:
    # Nobody waits for an answer yet. Without a handler process 1 of a container would not even hear of the signal.
    try:
        _log.info("stopped before it was ready")
    finally:
        os._exit(0)


def _load(folders: Sequence[Path], settings: Settings, name: str | None) -> dict[str, tuple[Path, ServedModel]]:
    """Return the models by their names, each with its folder."""
    models: dict[str, tuple[Path, ServedModel]] = {}
    for folder in folders:
        _log.info("loading %s", folder)
        model = load(folder, settings.load_policy, name=name)
        if model.name in models:
            raise SettingsError(
                f'{folder}: a model named "{model.name}" is served already; serve it from another process'
            )
        models[model.name] = (folder, model)
    return models


def _prediction_log(settings: Settings, results: LogResults) -> PredictionLog | None:
    if settings.log_predictions is None:
        return None
    try:
        return PredictionLog(
            settings.log_predictions,
            rate=settings.log_rate,
            redact=frozenset(settings.log_redact),
            on_result=results.add,
        )
    except SettingsError as err:
        raise SettingsError(f"PREDICTOR_LOG_PREDICTIONS: {err}") from err


def _check_redacted(settings: Settings, models: Sequence[ServedModel]) -> None:
    """Refuse a name that no model has: what was to be left out of the log would stand there."""
    known = {spec.name for model in models for spec in (*model.signature.inputs, *model.signature.outputs)}
    for name in settings.log_redact:
        if name not in known:
            raise SettingsError(
                f'PREDICTOR_LOG_REDACT: no served model has a tensor "{name}"; there are {quoted_names(sorted(known))}'
            )
