# SPDX-License-Identifier: Apache-2.0
"""``portside rollback``: back to an earlier version in one command."""

import json

import click

from cluster.command_options import CONTEXT, NAMESPACE


@click.command()
@click.argument("service")
@click.option("--to", metavar="VERSION", help="An earlier version.  [default: the one before the present one]")
@NAMESPACE
@CONTEXT
@click.option("--watch", is_flag=True, help="Follow it to its end: exit code 0 when the version serves, else 1.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def rollback(service: str, *, to: str | None, namespace: str, context: str | None, watch: bool, as_json: bool) -> None:
    """Have SERVICE go back to an earlier version; without --to, also abort what is under way.

    A version that a rollout keeps running takes all requests at once. Any other one does as soon as its pods are ready.
    """
    from cluster.api import Cluster
    from rollouts.client.going_back import roll_back
    from rollouts.client.listing import check_installed
    from rollouts.commands.ending import end_with, watched

    cluster = Cluster(context)
    check_installed(cluster)
    back = roll_back(cluster, namespace, service, to)
    if watch:
        report = watched(cluster, namespace, back.rollout, back.told, until=back.until)
        end_with(report, as_json=as_json, success=back.success)
    if as_json:
        click.echo(
            json.dumps({"service": service, "namespace": namespace, "rollout": back.rollout, "to": back.version})
        )
    else:
        click.echo(f"{back.told}\n  portside rollout status {back.rollout} --watch")
