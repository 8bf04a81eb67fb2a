# SPDX-License-Identifier: Apache-2.0
"""The command `portside pipeline webhook`."""

import os
import signal
import threading
from typing import Any, Final

import click

from pipelines.running.trainer_options import trainer_of, trainer_options

#: Messages must bring this token where it is set.
TOKEN_VARIABLE: Final = "PORTSIDE_WEBHOOK_TOKEN"  # noqa: S105 (a variable's name)
_HIGHEST_PORT: Final = 65535


def _address(_ctx: click.Context, _option: click.Parameter, text: str) -> tuple[str, int]:
    host, parted, port = text.rpartition(":")
    if not parted or not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 0.0.0.0:9095")
    return host.strip("[]"), int(port)


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:9095",
    show_default=True,
    metavar="HOST:PORT",
    callback=_address,
    help="Where to listen; port 0 takes any free one.",
)
@click.option(
    "--model", "use_cases", multiple=True, required=True, metavar="USE_CASE", help="May be retrained; repeatable."
)
@click.option(
    "--grace",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that a run on this machine may take after SIGTERM.",
)
@trainer_options
def webhook(listen: tuple[str, int], *, use_cases: tuple[str, ...], grace: float, **words: Any) -> None:
    """Retrain models when Alertmanager tells of an alert that names them, by a label model or model_name.

    Messages go to POST /alerts. Where PORTSIDE_WEBHOOK_TOKEN is set, they must bring it as bearer token.
    """
    from pipelines.errors import PipelineError
    from pipelines.running.webhook import WebhookServer
    from pipelines.use_cases import use_case as find_use_case

    trainer = trainer_of(**words)
    models = {find_use_case(name).PLAN.name: name for name in use_cases}
    try:
        server = WebhookServer(listen, models, trainer, os.environ.get(TOKEN_VARIABLE) or None)
    except OSError as err:
        raise PipelineError(f"{listen[0]}:{listen[1]} cannot be listened on: {err.strerror}") from err
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    click.echo(f"listening on {server.url}/alerts for {', '.join(models)}")
    ended.wait()
    click.echo("ending: runs that go on are waited for")
    server.close(grace)
    thread.join()
