# SPDX-License-Identifier: Apache-2.0
"""The commands that see to a cluster as a whole: install, doctor. Each imports what it needs when it runs."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from cluster.command_options import CONTEXT
from cluster.platform.manifests import PLACES

_CACHE = Path("build/downloads")
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MANIFESTS = click.option(
    "--manifests", type=_FOLDER, metavar="FOLDER", help="Where the manifests are, if not in the checkout."
)


@click.command()
@click.option(
    "--place", type=click.Choice(PLACES), default="kind", show_default=True, help="Whose overlays are applied."
)
@CONTEXT
@click.option(
    "--downloads", type=_FOLDER, metavar="FOLDER", help="Take the controllers' files from here, not the internet."
)
@click.option("--list-downloads", is_flag=True, help="Print the controllers' files (name, URL, SHA-256) and end.")
@click.option("--image", metavar="IMAGE", help="The serving image to run instead of the overlay's.")
@click.option("--rollouts-image", metavar="IMAGE", help="The same for the image of the rollouts' controller.")
@click.option("--skip-controllers", is_flag=True, help="Leave the controllers of others out of it.")
@click.option(
    "--rollouts/--no-rollouts",
    default=True,
    show_default=True,
    help="Whether to apply the controller of rollouts, whose image must be there.",
)
@click.option(
    "--services/--no-services",
    default=True,
    show_default=True,
    help="Whether to apply the use cases' services, whose artifacts must be in the store.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long each group of objects is waited for.",
)
@_MANIFESTS
def install(*, list_downloads: bool, manifests: Path | None, **words: Any) -> None:
    """Install the platform on a cluster: controllers, configs, rollouts, runtimes, services.

    What is there already in a supported version is left alone, and a second run changes nothing.
    """
    from cluster.platform.controller_release import all_downloads
    from cluster.platform.manifests import find_manifests
    from cluster.platform.versions import Versions

    folder = find_manifests(manifests)
    versions = Versions(folder / "controllers" / "versions.env")
    if list_downloads:
        for download in all_downloads(versions):
            click.echo(f"{download.name}  {download.url}  {download.sha256 or '-'}")
        return
    _install(folder, versions, **words)


def _install(
    manifests: Path,
    versions: Any,
    *,
    place: str,
    context: str | None,
    downloads: Path | None,
    image: str | None,
    rollouts_image: str | None,
    skip_controllers: bool,
    rollouts: bool,
    services: bool,
    timeout: float,
) -> None:
    from cluster.api import Cluster
    from cluster.platform.controller_release import Releases
    from cluster.platform.downloads import Downloads
    from cluster.platform.install import Installation, Plan
    from cluster.platform.waiting import TimedOutError

    plan = Plan(manifests, place, image, rollouts_image, not skip_controllers, rollouts, services, timeout)
    cluster = Cluster(context)
    releases = Releases(versions, Downloads(_CACHE, downloads, lambda line: click.echo(f"    {line}")))
    installation = Installation(cluster, plan, releases, click.echo)
    click.echo(f"installing on {cluster.server} (Kubernetes {cluster.version()}), place {place}")
    try:
        installation.run()
    except TimedOutError as err:
        click.echo(f"portside: {err}", err=True)
        sys.exit(1)
    click.echo("installed; `portside doctor` looks the cluster over")


@click.command()
@CONTEXT
@click.option("--namespace", default="models", show_default=True, help="The namespace of the models.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@_MANIFESTS
def doctor(*, context: str | None, namespace: str, as_json: bool, manifests: Path | None) -> None:
    """Look a cluster over: each finding with what to do about it. Exits with 1 when there is a problem."""
    from dataclasses import asdict

    from cluster.api import Cluster
    from cluster.platform.doctor import examine
    from cluster.platform.findings import summary
    from cluster.platform.manifests import find_manifests
    from cluster.platform.versions import Versions

    versions = Versions(find_manifests(manifests) / "controllers" / "versions.env")
    findings = []
    for finding in examine(Cluster(context), versions, namespace):
        findings.append(finding)
        if not as_json:
            click.echo(finding)
    click.echo(json.dumps([asdict(finding) for finding in findings], indent=2) if as_json else summary(findings))
    if any(finding.state == "problem" for finding in findings):
        sys.exit(1)
