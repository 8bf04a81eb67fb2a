# SPDX-License-Identifier: Apache-2.0
"""``portside rollout``: start, status, pause, resume, promote, abort. Each imports what it needs when it runs."""

import json
import sys
import time
from contextlib import suppress
from typing import Any, Final

import click

from cluster.command_options import CONTEXT, NAMESPACE
from rollouts.commands.start import start

_WATCH_SECONDS: Final = 1.0


@click.group()
def rollout() -> None:
    """Bring a new version in step by step, and back at once where it is worse."""


rollout.add_command(start)


@rollout.command()
@click.argument("name", required=False)
@NAMESPACE
@click.option("--watch", is_flag=True, help="Show each change; of one rollout until its end, of all until Ctrl-C.")
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON; with --watch, a line for each change.")
def status(name: str | None, *, namespace: str, watch: bool, context: str | None, as_json: bool) -> None:
    """Show the rollouts of a namespace; or NAME, a rollout or a service, with its gates' figures and its decisions.

    NAME --watch ends with exit code 0 where it is promoted, else with 1.
    """
    from cluster.api import Cluster
    from rollouts.client.listing import rollout_of, rollouts_of

    cluster = Cluster(context)
    if name is not None:
        _one(cluster, rollout_of(cluster, namespace, name), watch=watch, as_json=as_json)
    elif watch:
        with suppress(KeyboardInterrupt):
            _watch(cluster, namespace, as_json=as_json)
    else:
        found = rollouts_of(cluster, namespace)
        if as_json:
            click.echo(json.dumps([each.as_document() for each in found], indent=2))
        else:
            click.echo(_table(found) if found else f"namespace {namespace} has no rollouts")


def _one(cluster: Any, report: Any, *, watch: bool, as_json: bool) -> None:
    from rollouts.commands.ending import end_with, watched
    from rollouts.commands.table import details

    if watch:
        end_with(watched(cluster, report.namespace, report.rollout), as_json=as_json)
    if as_json:
        click.echo(json.dumps(report.as_document(), indent=2))
    else:
        click.echo("\n".join(part for part in (_table([report]), details(report)) if part))


def _table(reports: Any) -> str:
    from rollouts.commands.table import table

    return table(reports)


def _watch(cluster: Any, namespace: str, *, as_json: bool) -> None:
    """Show the rollouts whenever something changes: the whole table on a terminal, else a line for each change."""
    from rollouts.client.listing import rollouts_of
    from rollouts.commands.table import line

    before: dict[str, Any] = {}
    while True:
        now = {each.rollout: each for each in rollouts_of(cluster, namespace)}
        if as_json or not sys.stdout.isatty():
            for each in now.values():
                if before.get(each.rollout) != each:
                    click.echo(
                        json.dumps(each.as_document()) if as_json else f"{time.strftime('%H:%M:%S')} {line(each)}"
                    )
            for gone in before.keys() - now.keys():
                click.echo(json.dumps({"rollout": gone, "gone": True}) if as_json else f"{gone}: gone")
        elif now:
            click.clear()
            click.echo(_table(list(now.values())))
        before = now
        time.sleep(_WATCH_SECONDS)


def _change(what: str, name: str, namespace: str, context: str | None) -> None:
    from cluster.api import Cluster
    from rollouts.client import changes
    from rollouts.client.listing import rollout_of

    cluster = Cluster(context)
    click.echo(getattr(changes, what)(cluster, rollout_of(cluster, namespace, name)))


@rollout.command()
@click.argument("name")
@NAMESPACE
@CONTEXT
def pause(name: str, *, namespace: str, context: str | None) -> None:
    """Have NAME, a rollout or a service, stay at its share; one that does harm is reverted all the same."""
    _change("pause", name, namespace, context)


@rollout.command()
@click.argument("name")
@NAMESPACE
@CONTEXT
def resume(name: str, *, namespace: str, context: str | None) -> None:
    """Have NAME, a rollout or a service, go on from a pause or from a step that holds."""
    _change("resume", name, namespace, context)


@rollout.command()
@click.argument("name")
@NAMESPACE
@CONTEXT
def promote(name: str, *, namespace: str, context: str | None) -> None:
    """Promote NAME, a rollout or a service, at once, whatever its gates say."""
    _change("promote", name, namespace, context)


@rollout.command()
@click.argument("name")
@NAMESPACE
@CONTEXT
def abort(name: str, *, namespace: str, context: str | None) -> None:
    """Revert NAME, a rollout or a service, at once."""
    _change("abort", name, namespace, context)
