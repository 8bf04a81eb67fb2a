# SPDX-License-Identifier: Apache-2.0
"""A training run here and now: Kubeflow's local runner, its outputs and its cache in a local folder."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.errors import PipelineError
from pipelines.running.places import is_folder
from pipelines.running.refusals import read_refusal
from pipelines.use_cases.use_case import Progress, silent

if TYPE_CHECKING:
    from pipelines.registry import Registry
    from pipelines.running.local_runner import State

_EFFECTS: Final = ("resolve_inputs", "deploy_model", "report_run")
_LAST_LINES: Final = 15


@dataclass
class StepRun:
    """How a step of a run went.

    Attributes:
        step: Its name.
        state: ``done``, ``cached`` or ``failed``.
        seconds: How long it took; 0 when it came from the cache.
        line: What it said last, or had said when its outputs were kept.
    """

    step: str
    state: "State"
    seconds: float
    line: str


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run: Its name.
        state: ``succeeded`` or ``failed``.
        version: The version that serves now; None when none does.
        promoted: Whether the run brought a new version in.
        sentence: What came of it, or which step failed and why.
        steps: The steps in the order in which they ended.
    """

    run: str
    state: str
    version: str | None
    promoted: bool
    sentence: str
    steps: list[StepRun] = field(default_factory=list)


def run_training(
    use_case: str,
    *,
    root: str,
    work: Path,
    data: str = "",
    seed: int = 0,
    because: str = "",
    deploy_to: str = "local",
    namespace: str = "models",
    options: Mapping[str, str] | None = None,
    notify: str = "",
    run: str | None = None,
    tell: Progress = silent,
) -> RunResult:
    """Run the training pipeline of a use case on this machine.

    What an earlier run has computed from the same inputs with the same code is taken from its outputs. A run that was
    interrupted at any point is completed by the next one.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        work: The folder for outputs, logs and the cache.
        data: A file of one's own, a path or URI; empty takes the use case's own source.
        seed: Decides every split and every random choice.
        because: Why, for the lineage.
        deploy_to: ``local`` or ``kserve``.
        namespace: Of the InferenceService.
        options: How it is deployed, as `portside deploy` has it.
        notify: A URL that is told how the run ended.
        run: The run's name; None makes one.
        tell: Takes a line whenever there is news.

    Raises:
        PipelineError: There is no such use case or file of data, the place cannot be deployed to as asked, the folder
            cannot be written to, or a run is under way in it.
        RegistryError: The registry cannot be reached, or not be written to.
    """
    from pipelines.definition.compiling import training_of
    from pipelines.lineage import code_digest
    from pipelines.registry import open_registry
    from pipelines.running.local_runner import local_runner
    from pipelines.use_cases import use_case as find_use_case

    model = find_use_case(use_case).PLAN.name
    _check_place(deploy_to, root, options or {})
    if data and "://" not in data and not Path(data).is_file():
        raise PipelineError(f"{data}: there is no such file; give the data as one CSV or Parquet file")
    run = run or f"{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    registry = open_registry(_absolute(root))
    before = registry.aliases(model).champion
    _check_writable(registry, model, run)
    account = _Account(tell)
    outputs = (work / model).absolute()
    # The steps run the code that stands here: its digest is the image's, so that other code has another cache.
    image = f"here@sha256:{code_digest(use_case)}"
    pipeline = training_of(use_case, image=image, place="local", root=registry.root)
    environ = {"PYTHONPATH": _search_path(), "PYTHONUNBUFFERED": "1"}
    with _alone(outputs, model), local_runner(run, outputs, environ, account.begins, account.ends):
        failed = False
        try:
            pipeline(
                data=_absolute(data) if data else "",
                seed=seed,
                because=because,
                deploy_to=deploy_to,
                namespace=namespace,
                options=dict(options or {}),
                notify=notify,
            )
        except RuntimeError:
            # kfp's only word for a step that failed; the account has the step and its reason.
            failed = True
    champion = registry.aliases(model).champion
    if failed:
        return RunResult(run, "failed", champion, False, account.failure(registry.root, use_case, run), account.steps)
    promoted = champion is not None and champion != before
    return RunResult(run, "succeeded", champion, promoted, account.outcome(model, champion, promoted), account.steps)


class _Account:
    """What is told of a run while it goes on, and what is kept of it."""

    def __init__(self, tell: Progress) -> None:
        self.steps: list[StepRun] = []
        self._tell = tell
        self._since = 0.0
        self._lines: list[str] = []

    def begins(self) -> None:
        self._since = time.monotonic()

    def ends(self, step: str, state: "State", lines: list[str]) -> None:
        spoken = [line for line in lines if line.strip()]
        seconds = 0.0 if state == "cached" else time.monotonic() - self._since
        self.steps.append(StepRun(step, state, seconds, spoken[-1] if spoken else ""))
        if state == "failed" and not self._lines:
            # The first that fails is the cause; the exit step may fail after it.
            self._lines = spoken[-_LAST_LINES:]
        took = f"{seconds:5.1f} s" if state != "cached" else " cached"
        self._tell(f"  {step:<15} {took}  {self.steps[-1].line}".rstrip())

    def failure(self, root: str, use_case: str, run: str) -> str:
        refusal = read_refusal(root, use_case, run)
        if refusal is not None:
            return f"stopped at {refusal['step']}: {refusal['sentence']}"
        failed = next((each for each in self.steps if each.state == "failed"), None)
        if failed is None:
            return "the run failed before any of its steps did"
        return f"{failed.step} failed:\n" + "\n".join(f"  {line}" for line in self._lines)

    def outcome(self, model: str, champion: str | None, promoted: bool) -> str:
        if promoted:
            return f"{model} {champion} serves"
        if champion is None:
            compared = next((each.line for each in self.steps if each.step == "compare_models"), "")
            return f"no version of {model} serves yet: {compared}"
        if all(each.state == "cached" for each in self.steps if each.step not in _EFFECTS):
            return f"nothing is new: {model} {champion} serves as before"
        compared = next((each.line for each in self.steps if each.step == "compare_models"), "")
        return f"{model} {champion} stays the champion: {compared}"


def _check_place(deploy_to: str, root: str, options: Mapping[str, str]) -> None:
    """Refuse what the last step would refuse, before hours of training."""
    from pipelines.deploying.options import Options

    if deploy_to == "local":
        if options:
            raise PipelineError("--option says how an InferenceService is deployed: add --deploy kserve")
        return
    Options.of(options)
    if is_folder(root):
        raise PipelineError(
            f"{root} is a folder of this machine, which pods cannot read: give the registry as --root s3://BUCKET or "
            "gs://BUCKET, or serve here with --deploy local"
        )


def _check_writable(registry: "Registry", model: str, run: str) -> None:
    """Find out now what the last step would, after hours of training."""
    path = f".runs/{model}/{run}.begun"
    registry.records.write(path, b"")
    registry.records.delete(path)


def _absolute(place: str) -> str:
    """Return a path that means the same to a step's process, whatever folder it is in; URIs are left alone."""
    return place if "://" in place else str(Path(place).absolute())


def _search_path() -> str:
    """Return a search path for modules with this folder on it, where one's own use case may stand."""
    return os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))


@contextmanager
def _alone(outputs: Path, model: str) -> Iterator[None]:
    """Hold the folder's lock, which the system gives back whatever ends this process."""
    try:
        outputs.mkdir(parents=True, exist_ok=True)
        lock = (outputs / "lock").open("w")
    except OSError as err:
        raise PipelineError(
            f"{outputs}: cannot be written to ({err.strerror}); give another folder with --work"
        ) from err
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise PipelineError(
                f"a run of {model} is under way in {outputs}: let it end, or give another folder with --work"
            ) from err
        yield
