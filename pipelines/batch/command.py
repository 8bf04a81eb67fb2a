# SPDX-License-Identifier: Apache-2.0
"""The command `portside pipeline score`."""

import click


@click.command()
@click.argument("use_case", metavar="USE_CASE")
@click.option(
    "--data", default="", metavar="URI", help="A CSV or Parquet file, s3:// and gs:// too.  [default: its own source]"
)
@click.option("--out", required=True, metavar="URI", help="Where predictions go: a folder, s3://... or gs://...")
@click.option("--batch", default="", metavar="NAME", help="Such as 2026-11-25T10.  [default: the hour that it is, UTC]")
@click.option(
    "--root",
    envvar="PORTSIDE_REGISTRY",
    default="build/registry",
    show_default=True,
    help="The registry: a folder, s3://BUCKET or gs://BUCKET.  [env: PORTSIDE_REGISTRY]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def score(use_case: str, *, data: str, out: str, batch: str, root: str, as_json: bool) -> None:
    """Score a batch of rows with USE_CASE's champion: the numbers that its server gives, bit for bit.

    They go to OUT/MODEL/BATCH/predictions.parquet, with each row's number and the data's columns. A batch that was
    scored before is left as it is.
    """
    import json
    import logging
    from dataclasses import asdict

    from pipelines.batch import scoring

    tell = logging.getLogger(__name__).info
    scored = scoring.score(use_case, root=root, out=out, data=data, batch=batch, tell=tell)
    click.echo(json.dumps(asdict(scored), indent=2) if as_json else scored.line)
