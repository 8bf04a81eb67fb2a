# SPDX-License-Identifier: Apache-2.0
"""The commands of this part: publish, train."""

import logging
from pathlib import Path

import click

_log = logging.getLogger(__name__)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("root")
@click.option(
    "--endpoint-url", metavar="URL", help="An S3 server of one's own.  [default: AWS_ENDPOINT_URL, else Amazon's]"
)
@click.option("--skip-existing", is_flag=True, help="Where the version exists already, leave it and end well.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def publish(folder: Path, root: str, *, endpoint_url: str | None, skip_existing: bool, as_json: bool) -> None:
    """Verify the artifact in FOLDER and publish it as ROOT/NAME/VERSION, which must not exist yet.

    ROOT is s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or a local folder. The version is there for others once all of
    its files are.
    """
    import orjson

    from pipelines.registry import VersionExistsError, open_registry

    try:
        address = open_registry(root, endpoint_url=endpoint_url).publish(folder)
    except VersionExistsError as err:
        if not skip_existing:
            raise
        click.echo(f"left as it is: {err}", err=True)
        return
    click.echo(orjson.dumps({"artifact": address}) if as_json else f"published {address}")


@click.command()
@click.argument("use_case", type=click.Choice(["maintenance", "recommender", "spam"]))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option("--seed", default=0, show_default=True, help="Decides every split and every random choice.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def train(use_case: str, *, out: Path, seed: int, as_json: bool) -> None:
    """Train USE_CASE on its real data, evaluate it on untouched rows, and write what `portside pack` takes.

    That is model.joblib, sample.parquet and training.json (metrics, lineage, how its tensors are laid out).
    """
    import orjson

    from pipelines.training_folder import write_training
    from pipelines.use_cases import use_case as find_use_case

    trained = find_use_case(use_case).train(seed, _log.info)
    write_training(trained, out)
    if as_json:
        click.echo(orjson.dumps(trained.metrics, option=orjson.OPT_INDENT_2).decode())
        return
    width = max(map(len, trained.metrics))
    for name, value in trained.metrics.items():
        click.echo(f"  {name:<{width}}  {value:.4g}" if isinstance(value, float) else f"  {name:<{width}}  {value}")
    click.echo(f"trained {use_case}: {out}")
