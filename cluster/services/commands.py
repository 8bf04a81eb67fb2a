# SPDX-License-Identifier: Apache-2.0
"""The commands that see to one service: deploy, status, logs, undeploy. Each imports what it needs when it runs."""

import json
import logging
import re
import sys
import time
from contextlib import suppress
from typing import Any, Final

import click

from cluster.command_options import CONTEXT, NAMESPACE

_LOG = logging.getLogger(__name__)
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?([munkKMGTPE]i?)?")
#: Kubernetes' limit for the value of KServe's label ``app: isvc.NAME-predictor``, less what stands around the name.
_LONGEST_NAME: Final = 63 - len("isvc.-predictor")
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_WATCH_SECONDS: Final = 1.0


def _pair(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, str] | None:
    """Read ``REQUEST[:LIMIT]``; a lone quantity is both."""
    if text is None:
        return None
    request, _, limit = text.partition(":")
    for quantity in (request, limit or request):
        if not _QUANTITY.fullmatch(quantity):
            raise click.BadParameter(f"{quantity!r} is not a Kubernetes quantity, such as 500m, 2 or 1Gi")
    return request, limit or request


def _replicas(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most:
        raise click.BadParameter(f"{text!r} must be MIN or MIN:MAX, 1 at least and MAX no less than MIN")
    return least, most


def _service_name(_ctx: click.Context, _argument: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise click.BadParameter(
            f"{name!r} must be a DNS label: small letters, digits and hyphens, a letter first, no hyphen last, "
            f"{_LONGEST_NAME} characters at most"
        )
    return name


def _domain(_ctx: click.Context, _option: click.Parameter, domain: str | None) -> str | None:
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise click.BadParameter(f"{domain!r} is not a domain, such as models.example.com")
    return domain


@click.command()
@click.argument("name", callback=_service_name)
@click.option("--artifact", required=True, metavar="URI", help="Its folder in a store, such as s3://models/spam/1.0.0.")
@NAMESPACE
@click.option("--replicas", callback=_replicas, metavar="MIN[:MAX]", help="How many pods.  [default: 1]")
@click.option(
    "--cpu-target",
    type=click.IntRange(1, 100),
    metavar="PERCENT",
    help="Add pods above this share of the requested CPU.  [default: 70, where MAX is above MIN]",
)
@click.option("--cpu", callback=_pair, metavar="REQUEST[:LIMIT]", help="For each pod.  [default: 100m:2]")
@click.option("--memory", callback=_pair, metavar="REQUEST[:LIMIT]", help="For each pod.  [default: 256Mi:1Gi]")
@click.option("--image", metavar="IMAGE", help="The serving image.  [default: the runtime's]")
@click.option(
    "--domain",
    callback=_domain,
    metavar="DOMAIN",
    help="Its hostname is NAME.DOMAIN.  [default: KServe's ingressDomain]",
)
@click.option("--service-account", metavar="NAME", help="Whose credentials read the artifact.  [default: models]")
@click.option(
    "--allow-pickle/--no-allow-pickle",
    default=None,
    help="Load a pickled model. A pickle can run any code when it is loaded: only from where you trust.",
)
@CONTEXT
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for it to be ready.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait.")
@click.option(
    "--dry-run", is_flag=True, help="Have it checked by the cluster, print its objects as YAML, change nothing."
)
@click.option("--force", is_flag=True, help="Take over fields that another manager owns.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def deploy(
    *,
    artifact: str,
    context: str | None,
    wait: float,
    no_wait: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Serve an artifact as NAME, or bring a new version of it in.

    In a service that is there, what no option names stays as it is. The old version serves until the new one is ready.
    """
    from cluster.api import Cluster
    from cluster.services.artifact_uri import folder_uri
    from cluster.services.deploying import apply
    from cluster.services.deployment_plan import Choices, plan

    choices = Choices(artifact=folder_uri(artifact), **words)
    cluster = Cluster(context)
    service = plan(cluster, choices)
    changed = apply(cluster, service, force=force, dry_run=dry_run)
    if dry_run:
        _print_objects(service)
    else:
        _await(cluster, service, changed, seconds=None if no_wait else wait, as_json=as_json)


def _print_objects(service: Any) -> None:
    import yaml

    from cluster.services.objects import objects

    click.echo(yaml.safe_dump_all(objects(service), sort_keys=False), nl=False)


def _await(cluster: Any, service: Any, changed: bool, *, seconds: float | None, as_json: bool) -> None:
    from cluster.services.address import gateway_address
    from cluster.services.artifact_uri import version_of
    from cluster.services.deploying import Outcome, wait

    title = f"{service.name} {version_of(service.artifact)}"
    _LOG.info("%s: %s", title, "applied" if changed else "nothing to change")
    outcome = None if seconds is None else wait(cluster, service, seconds, lambda told: _LOG.info("  %s", told))
    address = gateway_address(cluster).format(host=service.hostname)
    if as_json:
        told = {"service": service.name, "namespace": service.namespace, "artifact": service.artifact}
        ended = outcome or Outcome("it was not waited for")
        result = {**told, "address": address, "changed": changed, "ready": ended.reason is None, "reason": ended.reason}
        click.echo(json.dumps(result))
    elif outcome is None:
        click.echo(f"{title} is applied; `portside status {service.name} --watch` shows how it goes")
    elif outcome.reason is None:
        click.echo(f"{title} is ready: {address}\n  {_predict_line(service.name, address)}")
    if outcome is not None and outcome.reason is not None:
        late = f"not ready within {seconds:g} s: " if outcome.timed_out else ""
        click.echo(f"portside: {service.name}: {late}{outcome.reason}", err=True)
        sys.exit(1)


def _predict_line(name: str, address: str) -> str:
    where = "" if address == f"http://{name}.localhost:8080" else f" --url {address}"
    return f"portside predict {name}{where} --input request.json"


@click.command()
@click.argument("name", required=False)
@NAMESPACE
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON; with --watch, a line for each change.")
def status(name: str | None, *, namespace: str, watch: bool, context: str | None, as_json: bool) -> None:
    """Show how services fare: all of a namespace, or NAME. Exits with 1 when one is not ready."""
    from cluster.api import Cluster
    from cluster.services.status import StatusReader

    reader = StatusReader(Cluster(context), namespace)
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(reader, name, as_json=as_json)
        return
    found = reader.read(name)
    click.echo(_shown(found, as_json=as_json) if found or as_json else f"namespace {namespace} has no services")
    if not all(each.ready for each in found):
        sys.exit(1)


def _shown(found: Any, *, as_json: bool) -> str:
    from dataclasses import asdict

    from cluster.services.status import table

    return json.dumps([asdict(each) for each in found], indent=2) if as_json else table(found)


def _watch(reader: Any, name: str | None, *, as_json: bool) -> None:
    """Show the services whenever something changes: the whole table on a terminal, else a line for each change."""
    from dataclasses import asdict

    from cluster.services.status import line, table

    before: dict[str, Any] = {}
    while True:
        now = {each.service: each for each in reader.read(name)}
        if as_json or not sys.stdout.isatty():
            for each in now.values():
                if before.get(each.service) != each:
                    click.echo(json.dumps(asdict(each)) if as_json else f"{time.strftime('%H:%M:%S')} {line(each)}")
            for gone in before.keys() - now.keys():
                click.echo(json.dumps({"service": gone, "gone": True}) if as_json else f"{gone}: gone")
        elif now != before:
            click.clear()
            click.echo(table(list(now.values())))
        before = now
        time.sleep(_WATCH_SECONDS)


@click.command()
@click.argument("name")
@NAMESPACE
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each pod.")
@click.option("--previous", is_flag=True, help="The log of the container before its last restart.")
@click.option("--all", "every", is_flag=True, help="All pods, not only the newest that is in trouble or serves.")
@click.option("--raw", is_flag=True, help="The lines as they were logged, JSON.")
@CONTEXT
def logs(
    name: str,
    *,
    namespace: str,
    follow: bool,
    tail: int | None,
    previous: bool,
    every: bool,
    raw: bool,
    context: str | None,
) -> None:
    """Print what the pods of NAME have logged; what fetches the model where the server has not started."""
    from cluster.api import Cluster
    from cluster.services.logs import read, readable, sources
    from cluster.services.observation import observe, unknown_service

    cluster = Cluster(context)
    found = observe(cluster, namespace, name)
    if not found:
        raise unknown_service(name, namespace)
    words = {"previous": previous, **({} if tail is None else {"tail_lines": tail})}
    with suppress(KeyboardInterrupt):
        for line in read(cluster, namespace, sources(found[0], every=every), follow=follow, **words):
            click.echo(line if raw else readable(line))


@click.command()
@click.argument("name")
@NAMESPACE
@click.option("--yes", is_flag=True, help="Do not ask.")
@CONTEXT
def undeploy(name: str, *, namespace: str, yes: bool, context: str | None) -> None:
    """Take NAME away, once its last requests are answered. Its artifact stays where it is."""
    from cluster.api import Cluster
    from cluster.services.undeploying import find, remove

    cluster = Cluster(context)
    remains = find(cluster, namespace, name)
    kept = f"the artifact stays at {remains.artifact}" if remains.artifact else "the artifact stays where it is"
    if not yes:
        click.echo(f"to be deleted from namespace {namespace} on {cluster.server}:")
        for title in remains.titles:
            click.echo(f"  {title}")
        click.echo(kept)
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is there to be asked: say --yes to delete it")
        if not click.confirm(f"delete {name}?"):
            click.echo("nothing deleted")
            sys.exit(1)
    remove(cluster, remains, lambda told: _LOG.info("%s: %s", name, told))
    click.echo(f"{name} is gone; {kept}")
