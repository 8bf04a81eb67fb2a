# SPDX-License-Identifier: Apache-2.0
"""The command: ``python -m benchmarks``. Tables go to standard output, progress to standard error."""

import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
import orjson

from benchmarks.errors import BenchmarkError, UsageError
from benchmarks.figures import Figure, Ledger
from benchmarks.load.h2load import require_h2load
from benchmarks.load.wrk import require_wrk
from benchmarks.machine import can_pin, fingerprint, others_share, pin_this_process
from benchmarks.models import prepare_models
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.report import document, tables, verdict_table
from benchmarks.sections import SECTIONS
from benchmarks.sections.section import Bench, Section
from benchmarks.servers.fleet import Fleet
from benchmarks.servers.mlserver import ABSENT, MLServer
from benchmarks.targets import judge

_BUILD: Final = Path(__file__).parents[1] / "build"
_FOLDER: Final = _BUILD / "bench"
_MOST_BUSY: Final = 0.1


def _chosen(_context: click.Context, _parameter: click.Parameter, words: str | None) -> list[Section]:
    if words is None:
        return list(SECTIONS.values())
    names = [name.strip() for name in words.split(",")]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise click.BadParameter(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    return [section for name, section in SECTIONS.items() if name in names]


@click.command()
@click.option("--quick", is_flag=True, help="One short round instead of five: about four minutes, less sure figures.")
@click.option("--only", "sections", callback=_chosen, metavar="NAMES", help=f"Of {','.join(SECTIONS)}.")
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=_BUILD / "bench.json",
    help="Where the figures are written.  [default: build/bench.json]",
)
def run(*, quick: bool, sections: list[Section], file: Path) -> None:
    """Measure Portside against its peers on this machine, side by side, on one core each for server and load."""
    require_wrk()
    if any(section.name == "grpc" for section in sections):
        require_h2load()
    _say("not pinned to cores: that needs Linux, taskset and two cores" if not can_pin() else "one core each")
    pin_this_process()
    notes = [] if MLServer.installed() else [ABSENT]
    busy = others_share()
    for note in notes:
        _say(note)
    plan = QUICK if quick else FULL
    figures, told = _measure(plan, sections)
    busy = max(busy, others_share())
    if busy > _MOST_BUSY:
        notes.append(f"Other work takes {busy:.0%} of this machine's cores: the figures are not to be trusted.")
    verdicts = judge(figures, [section.name for section in sections])
    click.echo("\n\n".join(["", *told, verdict_table(verdicts), *notes]))
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = document(fingerprint(), plan, figures, verdicts, notes)
    file.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
    _say(f"wrote {file}")


def _measure(plan: Plan, sections: list[Section]) -> tuple[list[Figure], list[str]]:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    models = prepare_models(_FOLDER / "models", _say)
    figures: list[Figure] = []
    told: list[str] = []
    with ExitStack() as stack:
        fleet = Fleet(stack, list(models.values()), _FOLDER)
        bench = Bench(plan, models, fleet, _FOLDER, _say)
        for section in sections:
            ledger = Ledger(section.name)
            section.measure(bench, ledger)
            taken = list(ledger)
            figures += taken
            told.append(tables(section, taken, ledger.notes))
    return figures, told


def _say(sentence: str) -> None:
    click.echo(f"bench: {sentence}", err=True)


def main() -> None:
    """Run the command; a run that cannot begin ends with exit code 2, one that failed with 1."""
    # A run that is asked to end ends its servers first, as Ctrl-C makes it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(prog_name="python -m benchmarks")
    except UsageError as err:
        _say(str(err))
        sys.exit(2)
    except BenchmarkError as err:
        _say(str(err))
        sys.exit(1)


if __name__ == "__main__":
    main()
