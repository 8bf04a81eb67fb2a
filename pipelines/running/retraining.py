# SPDX-License-Identifier: Apache-2.0
"""Retraining because something happened: of several triggers for one model, one starts a run and the others join it.

A trigger claims the model in its registry before anything is started. Whether the run of a claim that is found is over
is asked of what runs it: this machine for a process, Kubeflow for a run, Vertex AI for a job.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from pipelines.errors import PipelineError
from pipelines.running.claims import Claim, Claims
from pipelines.running.process import is_gone, this_process
from pipelines.use_cases.use_case import Progress, silent

if TYPE_CHECKING:  # a server whose runs have a process each does not wait for what they import
    from pipelines.running.backends import Kubeflow, Vertex

#: How long a claimed run may take to be known to its backend.
_SUBMISSION: Final = timedelta(minutes=15)
_ENDED_ON_VERTEX: Final = ("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
#: kfp compiles one pipeline at a time in a process.
_compiling: Final = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What came of a run that was started.

    Attributes:
        sentence: Of a run on this machine, how it ended; of another, where it can be watched.
        failed: Whether it has failed already.
    """

    sentence: str
    failed: bool = False


class Trainer(Protocol):
    """What a retraining is run by."""

    @property
    def root(self) -> str:
        """The registry."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a run is over when ``train`` returns."""
        ...

    def where(self) -> dict[str, str]:
        """Return what another trigger must know to ask whether a run is over."""
        ...

    def train(self, use_case: str, run: str, because: str, tell: Progress) -> Outcome:
        """Run the training pipeline, or have it run.

        Args:
            use_case: A built-in one, or the module of one's own.
            run: The run's name.
            because: Why, for the lineage.
            tell: Takes a line whenever there is news.

        Raises:
            PipelineError: It cannot be started.
        """
        ...


@dataclass(frozen=True)
class Here:
    """This machine, this process.

    Attributes:
        root: The registry.
        work: The folder for outputs, logs and the cache.
        parameters: More for ``run_training``, such as ``data`` and ``deploy_to``.
    """

    root: str
    work: Path
    parameters: Mapping[str, Any]
    waits: bool = True

    def where(self) -> dict[str, str]:
        """Return this process; see ``Trainer``."""
        return {"backend": "local", **this_process()}

    def train(self, use_case: str, run: str, because: str, tell: Progress) -> Outcome:
        """Run the training pipeline to its end; see ``Trainer``."""
        from pipelines.running.local import run_training

        result = run_training(
            use_case, root=self.root, work=self.work, because=because, run=run, tell=tell, **self.parameters
        )
        return Outcome(f"{result.run}: {result.sentence}", failed=result.state == "failed")


@dataclass(frozen=True)
class Elsewhere:
    """Kubeflow Pipelines or Vertex AI.

    Attributes:
        backend: Which of them.
        root: The registry.
        parameters: More for ``Submission.of``, such as ``data`` and ``image``.
    """

    backend: "Kubeflow | Vertex"
    root: str
    parameters: Mapping[str, Any]
    waits: bool = False

    def where(self) -> dict[str, str]:
        """Return the backend's address; see ``Trainer``."""
        from pipelines.running.backends import Kubeflow

        if isinstance(self.backend, Kubeflow):
            return {"backend": "kfp", "url": self.backend.url, "namespace": self.backend.namespace or ""}
        return {"backend": "vertex", "project": self.backend.project, "region": self.backend.region}

    def train(self, use_case: str, run: str, because: str, tell: Progress) -> Outcome:  # noqa: ARG002 (the interface)
        """Submit a run; see ``Trainer``."""
        from pipelines.running.submission import Submission

        with _compiling:
            submission = Submission.of(use_case, self.backend, root=self.root, because=because, **self.parameters)
            return Outcome(submission.run(run))


@dataclass(frozen=True)
class Joined:
    """A run that is under way already, and does for this trigger too.

    Attributes:
        run: Its name.
        because: Why it runs.
        since: When it was begun, UTC.
    """

    run: str
    because: str
    since: datetime


@dataclass(frozen=True)
class Started:
    """A run that this trigger has claimed the model for, and that ``carry_out`` begins.

    Attributes:
        run: Its name.
        because: Why it runs.
        use_case: Of what.
        trainer: By what.
        claims: The model's claims.
        claim: The one for this run.
    """

    run: str
    because: str
    use_case: str
    trainer: Trainer
    claims: Claims
    claim: Claim

    def carry_out(self, tell: Progress = silent) -> Outcome:
        """Run it, or have it run, and give the model free again once the run is over or could not be started.

        Where others run it, its last step does that, or the next trigger finds that the run is over.

        Raises:
            PipelineError: It cannot be started.
        """
        under_way = False
        try:
            outcome = self.trainer.train(self.use_case, self.run, self.because, tell)
            under_way = not self.trainer.waits
            return outcome
        finally:
            if not under_way:
                self.give_up()

    def give_up(self) -> None:
        """Give the model free again."""
        self.claims.release(self.claim)


def retrain(use_case: str, because: str, trainer: Trainer) -> Started | Joined:
    """Claim a use case's model for a run, unless one is under way.

    Args:
        use_case: A built-in one, or the module of one's own.
        because: Why, for the lineage.
        trainer: What is to run it.

    Returns:
        Either a run that is now to be carried out, or the one that is under way.

    Raises:
        PipelineError: There is no such use case, or no reason is given.
        RegistryError: The registry cannot be reached.
    """
    from pipelines.registry import open_registry
    from pipelines.use_cases import use_case as find_use_case

    if not because.strip():
        raise PipelineError("say why, as in --because drift: the reason goes into the version's lineage")
    model = find_use_case(use_case).PLAN.name
    claims = Claims(open_registry(trainer.root).records, model)
    claim = claims.take(_run_name(model), because, trainer.where(), _is_over)
    if not claim.mine:
        return Joined(claim.run, claim.because, claim.since)
    return Started(claim.run, because, use_case, trainer, claims, claim)


def _run_name(model: str) -> str:
    """Return a name that no other run has and every backend takes."""
    return f"{_NOT_IN_NAMES.sub('-', model.lower())}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"


def _is_over(claim: Claim) -> bool:
    """Return whether a claim's run has surely ended; where nobody can say, it goes on until the claim is too old."""
    backend = claim.where.get("backend")
    if backend == "local":
        return is_gone(claim.where)
    try:
        states = {"kfp": _on_kubeflow, "vertex": _on_vertex}[str(backend)](claim)
    except (KeyError, PipelineError):
        return False
    if not states:
        return datetime.now(UTC) - claim.since > _SUBMISSION
    return all(states)


def _on_kubeflow(claim: Claim) -> list[bool]:
    from pipelines.running import kfp_backend

    runs = kfp_backend.runs(claim.where["url"], claim.run, namespace=claim.where["namespace"] or None)
    return [run.over for run in runs]


def _on_vertex(claim: Claim) -> list[bool]:
    from pipelines.vertex import connection
    from pipelines.vertex.names import job_id

    place = connection.Vertex(claim.where["project"], claim.where["region"])
    name = f"{place.parent}/pipelineJobs/{job_id(claim.run)}"
    try:
        with place.told():
            job = place.pipelines.get_pipeline_job(name=name, timeout=connection.SECONDS)
    except connection.VertexError as err:
        if err.code == HTTPStatus.NOT_FOUND:
            return []
        raise
    return [job.state.name in _ENDED_ON_VERTEX]
