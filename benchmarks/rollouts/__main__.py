# SPDX-License-Identifier: Apache-2.0
"""The command: ``python -m benchmarks.rollouts``. Tables go to standard output, progress to standard error."""

import os
from pathlib import Path
from time import monotonic

import click
import orjson

from benchmarks.rollouts.figures import Figures, equal_table, fault_table
from benchmarks.rollouts.plan import FULL, QUICK, courses
from benchmarks.rollouts.scenarios import EQUAL, faults
from benchmarks.rollouts.simulation import ERROR

#: Of all equal versions so many may be reverted.
_LIMIT = ERROR


@click.command()
@click.option("--quick", is_flag=True, help="A few rollouts of each kind: 20 s, less sure figures.")
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where the figures are written too.",
)
def run(*, quick: bool, file: Path | None) -> None:
    """Simulate rollouts at 100 requests/s over steps of 5, 25 and 50 %, with the gates of the documentation's example.

    The exit code is 1 where more equal versions were reverted than the error budget allows.
    """
    plan = QUICK if quick else FULL
    scenarios = [*((scenario, plan.equal) for scenario in EQUAL), *((fault, plan.faulty) for fault in faults())]
    click.echo(f"bench: {sum(count for _, count in scenarios):,} rollouts on {os.cpu_count()} cores", err=True)
    began = monotonic()
    found = courses(scenarios, plan)
    figures = [Figures.of(scenario.name, each) for (scenario, _), each in zip(scenarios, found, strict=True)]
    equal, faulty = figures[: len(EQUAL)], figures[len(EQUAL) :]
    click.echo("\n\n".join([equal_table(equal), fault_table(faulty)]))
    reverted, rollouts = sum(one.ends["reverted"] for one in equal), sum(one.rollouts for one in equal)
    click.echo(f"\n{reverted:,} of {rollouts:,} equal versions reverted; at most {_LIMIT:.0%} may be")
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {"equal": [one.document() for one in equal], "faults": [one.document() for one in faulty]}
        file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        click.echo(f"bench: wrote {file}", err=True)
    click.echo(f"bench: took {monotonic() - began:.0f} s", err=True)
    if reverted >= _LIMIT * rollouts:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    run(prog_name="python -m benchmarks.rollouts")
