# SPDX-License-Identifier: Apache-2.0
"""The command ``portside pipeline new``."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.  [default: ./NAME]"
)
def new(name: str, *, out: Path | None) -> None:
    """Write a use case of your own called NAME: a module that works, its test, a Dockerfile.

    What it trains is an example; change it a function at a time.
    """
    from pipelines.new_module.writing import write_module

    folder = out or Path(name)
    for path in write_module(name, folder):
        click.echo(f"wrote {path}")
    click.echo(f"try it:  cd {folder} && portside pipeline run {name}")
