# SPDX-License-Identifier: Apache-2.0
"""The command that trains a use case."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_log = logging.getLogger(__name__)


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
    from pipelines.use_cases.training import train as train_use_case

    with _writing(out):
        # What cannot be made is told before the training.
        out.mkdir(parents=True, exist_ok=True)
    trained = train_use_case(find_use_case(use_case), seed, _log.info)
    with _writing(out):
        write_training(trained, out)
    if as_json:
        click.echo(orjson.dumps(trained.metrics, option=orjson.OPT_INDENT_2).decode())
        return
    width = max(map(len, trained.metrics))
    for name, value in trained.metrics.items():
        click.echo(f"  {name:<{width}}  {value:.4g}" if isinstance(value, float) else f"  {name:<{width}}  {value}")
    click.echo(f"trained {use_case}: {out}")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    from pipelines.errors import PipelineError

    try:
        yield
    except OSError as err:
        raise PipelineError(f"{err.filename or out}: cannot be written: {err.strerror}; give another --out") from err
