# SPDX-License-Identifier: Apache-2.0
"""``portside rollout start``: a ModelRollout in the words of a command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cluster.command_options import CONTEXT, NAMESPACE
from rollouts.commands.spec import spec_of
from rollouts.commands.spec_options import spec_options


@click.command()
@click.argument("service")
@click.option("--to", metavar="VERSION", help="The new version, beside the present one: NAME/1.0.0 to NAME/1.1.0.")
@click.option("--artifact", metavar="URI", help="Its folder in a store, where it is not beside the present one.")
@spec_options
@NAMESPACE
@CONTEXT
@click.option("--dry-run", is_flag=True, help="Have it checked by the cluster, print it as YAML, change nothing.")
@click.option("--watch", is_flag=True, help="Follow it to its end: exit code 0 when it is promoted, else 1.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def start(
    service: str,
    *,
    to: str | None,
    artifact: str | None,
    file: Path | None,
    namespace: str,
    context: str | None,
    dry_run: bool,
    watch: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Bring a new version of SERVICE in, step by step, as long as it is no worse than the present one.

    A gate whose limit is "none" is not asked. What no option says is as the defaults have it, or as --file has.
    """
    from cluster.api import Cluster
    from rollouts.client.listing import rollouts_of, storage_uri_of
    from rollouts.client.manifest import free_name, manifest
    from rollouts.commands.spec_file import read_spec

    base = None if file is None else read_spec(file, service)
    if to is not None and artifact is not None:
        raise click.UsageError("--to and --artifact both name the new version: give one of them")
    if to is None and artifact is None and not (base or {}).get("storageUri"):
        raise click.UsageError("which version? --to 1.1.0 is beside the present one, --artifact is a URI")
    cluster = Cluster(context)
    present = rollouts_of(cluster, namespace, service)
    uri = _uri(storage_uri_of(cluster, namespace, service), to, artifact or (base or {}).get("storageUri"))
    spec = {**spec_of(base, words), "inferenceService": service, "storageUri": uri}
    busy = [each for each in present if each.under_way or each.keeps_former]
    _check_free(uri, busy, replaces=spec.get("whenBusy") == "Replace")
    first = ("inferenceService", "storageUri")
    ordered = {**{name: spec[name] for name in first}, **{name: spec[name] for name in spec if name not in first}}
    document = manifest(free_name(service, uri, present), namespace, ordered)
    cluster.apply(document, dry_run=True)
    if dry_run:
        _print(document)
        return
    # Another of its name may have been made meanwhile, and is not written over.
    cluster.create(document)
    _started(cluster, document, busy, watch=watch, as_json=as_json)


def _uri(present: str, to: str | None, artifact: str | None) -> str:
    from cluster.services.artifact_uri import folder_uri
    from rollouts.client.manifest import sibling

    return sibling(present, to) if to is not None else folder_uri(artifact or "")


def _check_free(uri: str, busy: Sequence[Any], *, replaces: bool) -> None:
    from cluster.errors import ClusterError

    under_way = [each for each in busy if each.under_way]
    same = next((each for each in under_way if each.storage_uri.rstrip("/") == uri.rstrip("/")), None)
    if same is not None and not replaces:
        raise ClusterError(
            f"{same.rollout} brings {same.version} in already, it is {same.phase}: see `portside rollout status "
            f"{same.rollout}`, or begin anew with --replace"
        )


def _print(document: Any) -> None:
    import yaml

    click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)


def _started(cluster: Any, document: Any, busy: Sequence[Any], *, watch: bool, as_json: bool) -> None:
    from rollouts.commands.ending import end_with, watched

    metadata, spec = document["metadata"], document["spec"]
    name = metadata["name"]
    told = f"rollout {name} is made: {spec['inferenceService']} to {spec['storageUri']}"
    told += _behind(busy, replaces=spec.get("whenBusy") == "Replace")
    if watch:
        report = watched(cluster, metadata["namespace"], name, told)
        end_with(report, as_json=as_json)
    if as_json:
        made = {"rollout": name, "namespace": metadata["namespace"], "service": spec["inferenceService"]}
        waits_for = [each.rollout for each in busy if each.under_way]
        click.echo(json.dumps({**made, "storage_uri": spec["storageUri"], "waits_for": waits_for}))
    else:
        click.echo(f"{told}\n  portside rollout status {name} --watch")


def _behind(busy: Sequence[Any], *, replaces: bool) -> str:
    """Return what becomes of the rollouts before it, in words that go after what is told of itself."""
    under_way = [each.rollout for each in busy if each.under_way]
    if under_way:
        names = ", ".join(under_way)
        has = "has" if len(under_way) == 1 else "have"
        return f", in place of {names}" if replaces else f", once {names} {has} ended"
    # Any later rollout has it give that version up, at once.
    kept = [f"{each.rollout} keeps {each.former_version} running no longer" for each in busy]
    return f"; {', '.join(kept)}" if kept else ""
