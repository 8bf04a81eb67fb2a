# SPDX-License-Identifier: Apache-2.0
"""What every part of a run is, and what it works with."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.answers import answers_rightly
from benchmarks.figures import Ledger
from benchmarks.machine import SERVER_CORE
from benchmarks.models import Model
from benchmarks.plan import Plan
from benchmarks.servers.fleet import Fleet
from benchmarks.servers.server import Peer, Server, started


@dataclass(frozen=True)
class Bench:
    """What a section works with.

    Attributes:
        plan: How long and how often.
        models: The models by name.
        fleet: All peers with all models.
        folder: For files of servers.
        say: Is told what begins.
    """

    plan: Plan
    models: Mapping[str, Model]
    fleet: Fleet
    folder: Path
    say: Callable[[str], None]

    def serving(self, peer: Peer, model: Model, *, cores: str = SERVER_CORE) -> AbstractContextManager[Server]:
        """Return a server of its own for one model, which runs while the block does."""
        return started(peer, [model], self.folder / "alone", answers_rightly, cores=cores)


@dataclass(frozen=True)
class Section:
    """One part of a run.

    Attributes:
        name: What ``--only`` calls it.
        title: What it measures.
        baseline: The subject that ratios are taken to; None: no ratios.
        measure: Takes the figures.
    """

    name: str
    title: str
    baseline: str | None
    measure: Callable[[Bench, Ledger], None]
