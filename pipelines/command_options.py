# SPDX-License-Identifier: Apache-2.0
"""What several commands of this part take alike: ``NAME=VALUE``, a URL that is told, a module of one's own."""

import sys
from pathlib import Path

import click


def pairs_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the values of ``--option`` by their names.

    Raises:
        BadParameter: One is not NAME=VALUE.
    """
    parted = [text.partition("=") for text in texts]
    wrong = next(("".join(each) for each in parted if not each[0] or not each[1]), None)
    if wrong is not None:
        raise click.BadParameter(f"{wrong!r} is not NAME=VALUE", param_hint="--option")
    return {name: value for name, _, value in parted}


def notified(_ctx: click.Context, _option: click.Parameter, url: str) -> str:
    """Return the URL of ``--notify``, a callback of click's: a run that tells nobody is better refused than run."""
    if url and not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no http or https address")
    return url


def find_own_modules() -> None:
    """Have a module of one's own looked for in this folder too, as `python -m` does and a console script does not."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
