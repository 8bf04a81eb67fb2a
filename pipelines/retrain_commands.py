# SPDX-License-Identifier: Apache-2.0
"""The command `portside retrain`."""

import sys
from typing import Any

import click

from pipelines.command_options import find_own_modules
from pipelines.running.trainer_options import trainer_of, trainer_options


@click.command()
@click.argument("use_case", metavar="USE_CASE")
@click.option("--because", required=True, metavar="REASON", help="Why, such as drift; it goes into the lineage.")
@trainer_options
def retrain(use_case: str, *, because: str, **words: Any) -> None:
    """Retrain USE_CASE because something happened, unless a retraining of it is under way: then join that one.

    USE_CASE is spam, maintenance, recommender, or a module of your own. Without --kfp and --vertex it runs here and
    now; exits with 1 when a step fails.
    """
    from pipelines.running.retraining import Joined
    from pipelines.running.retraining import retrain as begin

    find_own_modules()
    trainer = trainer_of(**words)
    run = begin(use_case, because, trainer)
    if isinstance(run, Joined):
        click.echo(f"joined run {run.run}, under way since {run.since:%Y-%m-%d %H:%M:%S} UTC because {run.because}")
        return
    started = f"started run {run.run} because {because}"
    if trainer.waits:
        click.echo(started)
        outcome = run.carry_out(click.echo)
        click.echo(outcome.sentence, err=outcome.failed)
        sys.exit(1 if outcome.failed else 0)
    click.echo(f"{started}: {run.carry_out().sentence}")
