# SPDX-License-Identifier: Apache-2.0
"""The commands that see to a registry: publish, and the group ``models``. Each imports what it needs when it runs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.registry import Registry
    from pipelines.registry.catalogue import Row

_ENDPOINT = click.option(
    "--endpoint-url", metavar="URL", help="An S3 server of one's own.  [default: AWS_ENDPOINT_URL, else Amazon's]"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_ROOT = click.option(
    "--root",
    envvar="PORTSIDE_REGISTRY",
    default="build/registry",
    show_default=True,
    show_envvar=True,
    help="The registry: s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or a local folder.",
)


def _registry_options(command: Any) -> Any:
    return _ROOT(_ENDPOINT(_JSON(command)))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("root")
@_ENDPOINT
@click.option("--skip-existing", is_flag=True, help="Where the version exists already, leave it and end well.")
@_JSON
def publish(folder: Path, root: str, *, endpoint_url: str | None, skip_existing: bool, as_json: bool) -> None:
    """Verify the artifact in FOLDER and publish it as ROOT/NAME/VERSION, which must not exist yet.

    ROOT is s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or a local folder. The version is there for others once all of
    its files are.
    """
    from pipelines.registry import VersionExistsError, open_registry

    try:
        address = open_registry(root, endpoint_url=endpoint_url).publish(folder)
    except VersionExistsError as err:
        if not skip_existing:
            raise
        click.echo(f"left as it is: {err}", err=True)
        return
    click.echo(_json({"artifact": address}) if as_json else f"published {address}")


@click.group()
def models() -> None:
    """List, show, tag and delete the versions of models in a registry.

    A version goes by its number or by an alias. champion is the version that serves, previous the one before it.
    """


@models.command("list")
@click.argument("name", required=False)
@_registry_options
def list_(name: str | None, *, root: str, endpoint_url: str | None, as_json: bool) -> None:
    """List the versions of all models, or of NAME, newest version first."""
    from pipelines.registry import UnknownVersionError, open_registry
    from pipelines.registry.catalogue import document, table

    registry = open_registry(root, endpoint_url=endpoint_url)
    found = registry.models()
    if name is not None and name not in found:
        raise UnknownVersionError(f"{registry.root}: has no model {name}; it has: {', '.join(found) or 'none'}")
    rows = [row for model in ([name] if name else found) for row in reversed(_rows(registry, model))]
    if as_json:
        click.echo(_json_page([document(row) for row in rows]))
    elif rows:
        click.echo(table(rows))
    else:
        click.echo(f"{registry.root} has no models yet; `portside publish` and `portside pipeline run` put some there")


@models.command()
@click.argument("name")
@click.argument("version", metavar="VERSION|ALIAS")
@_registry_options
def show(name: str, version: str, *, root: str, endpoint_url: str | None, as_json: bool) -> None:
    """Show where a version is, its metrics and lineage, and the aliases it has had."""
    from dataclasses import asdict

    from pipelines.registry import open_registry
    from pipelines.registry.catalogue import document, page

    registry = open_registry(root, endpoint_url=endpoint_url)
    wanted = registry.resolve(name, version)
    (row,) = [row for row in _rows(registry, name) if row.stored.version == wanted]
    if as_json:
        click.echo(_json_page({**document(row), "history": [asdict(change) for change in row.aliases.history]}))
    else:
        click.echo(page(row))


@models.command()
@click.argument("name")
@click.argument("version", metavar="VERSION|ALIAS")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Take the alias away from this version instead.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@_registry_options
def tag(
    name: str,
    version: str,
    alias: str,
    *,
    remove: bool,
    reason: str,
    root: str,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Have ALIAS name this version of NAME from now on.

    A new champion makes the former one previous, so that `portside models tag NAME previous champion` goes back.
    """
    from pipelines.registry import RegistryError, open_registry
    from pipelines.registry.catalogue import names

    registry = open_registry(root, endpoint_url=endpoint_url)
    wanted = registry.resolve(name, version)
    if remove and (named := registry.aliases(name).named().get(alias, wanted)) != wanted:
        raise RegistryError(f"{name}: {alias} is {named} and not {wanted}; nothing was changed")
    aliases = registry.tag(name, alias, None if remove else wanted, reason=reason)
    click.echo(_json({"model": name, "aliases": aliases.named()}) if as_json else f"{name}: {names(aliases)}")


@models.command()
@click.argument("name")
@click.argument("version")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--context", metavar="CONTEXT", help="A context of the kubeconfig; else the current one.")
@click.option("--no-cluster", is_flag=True, help="Do not ask a cluster whether it serves this version.")
@_registry_options
def delete(
    name: str,
    version: str,
    *,
    yes: bool,
    context: str | None,
    no_cluster: bool,
    root: str,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Delete a VERSION of NAME.

    Refused for the champion, for the version before it, and for what a service of the kubeconfig's cluster serves.
    """
    from pipelines.registry import open_registry

    registry = open_registry(root, endpoint_url=endpoint_url)
    registry.check_deletable(name, version)
    address = registry.address(name, version)
    if not no_cluster:
        _refuse_served(address, context)
    if not yes:
        _ask(registry, name, version)
    registry.delete(name, version)
    click.echo(_json({"deleted": address}) if as_json else f"deleted {address}")


def _refuse_served(address: str, context: str | None) -> None:
    from pipelines.registry import RegistryError
    from pipelines.registry.served import leads_to_cluster, services_of

    # Pods read buckets; a folder of this machine is nobody's business but its own.
    if context is None and ("://" not in address or not leads_to_cluster(context, os.environ)):
        return
    services = services_of(address, context)
    if services:
        raise RegistryError(
            f"{address}: is served by {', '.join(services)}; bring another version in first (`portside deploy`), or, "
            "where that is another store of the same name, say --no-cluster"
        )


def _ask(registry: "Registry", name: str, version: str) -> None:
    from pipelines.registry.catalogue import size

    for row in _rows(registry, name):
        if row.stored.version == version:
            aliases = f", which is {', '.join(row.own_aliases)}" if row.own_aliases else ""
            click.echo(f"to be deleted: {row.stored.address}{aliases} ({size(row.stored.size)})", err=True)
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: say --yes to delete it")
    if not click.confirm(f"delete {name} {version}?", err=True):
        click.echo("nothing deleted", err=True)
        sys.exit(1)


def _rows(registry: "Registry", model: str) -> "list[Row]":
    from pipelines.registry.catalogue import Row

    aliases = registry.aliases(model)
    return [Row(model, stored, aliases) for stored in registry.stored(model)]


def _json(result: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(result).decode()


def _json_page(result: Any) -> str:
    import orjson

    return orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()
