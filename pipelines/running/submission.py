# SPDX-License-Identifier: Apache-2.0
"""A run or a schedule as a user asks for it on a backend, training or batch scoring: checked, compiled, handed over."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipelines.definition.image import PLACEHOLDER, pipeline_image
from pipelines.definition.needs import DEFAULT_ROOTS, TARGETS
from pipelines.errors import PipelineError
from pipelines.running.backends import Backend, Kubeflow, Vertex, Work
from pipelines.running.places import check_bucket

_HOURLY: Final = "0 * * * *"


def backend_of(
    *,
    kfp_url: str | None,
    vertex: bool,
    project: str | None,
    region: str | None,
    root: str | None,
    service_account: str | None,
    experiment: str,
    kfp_namespace: str | None,
) -> Backend:
    """Return the backend that a user's choices name.

    Args:
        kfp_url: A Kubeflow Pipelines API; None with Vertex AI.
        vertex: Whether Vertex AI runs it.
        project: Google Cloud's project, for Vertex AI.
        region: Its region, for Vertex AI.
        root: The registry, which the run must be able to read; None is the backend's usual one.
        service_account: Whose rights the run has.
        experiment: Kubeflow's experiment.
        kfp_namespace: Kubeflow's profile.

    Raises:
        PipelineError: Something is missing or contradicts the rest.
    """
    if vertex == (kfp_url is not None):
        raise PipelineError("say where it runs: --kfp URL, or --vertex, one of them")
    if kfp_url is not None:
        if project or region:
            raise PipelineError("--project and --region are Vertex AI's: leave them out with --kfp")
        check_bucket("--root", root)
        return Kubeflow(kfp_url, experiment, kfp_namespace, service_account)
    if kfp_namespace:
        raise PipelineError("--kfp-namespace is Kubeflow's: leave it out with --vertex")
    missing = [f"--{name}" for name, value in (("project", project), ("region", region)) if not value]
    if not (root or "").startswith("gs://"):
        missing.append("--root gs://BUCKET")
    if missing:
        raise PipelineError(f"--vertex needs {', '.join(missing)}")
    return Vertex(str(project), str(region), service_account)


@dataclass(frozen=True)
class Submission:
    """A run as it is asked for.

    Attributes:
        backend: Who runs it.
        use_case: A built-in one, or the module of one's own.
        name: What its runs and its schedule are called.
        usual_cron: When it is usually run: five fields, UTC.
        root: The registry.
        image: The pipeline image, with its digest.
        parameters: The pipeline's parameters.
        caching: Whether steps may come from the cache.
        scores: Whether it scores a batch instead of training.
    """

    backend: Backend
    use_case: str
    name: str
    usual_cron: str
    root: str
    image: str
    parameters: Mapping[str, Any]
    caching: bool = True
    scores: bool = False

    @classmethod
    def of(
        cls,
        use_case: str,
        backend: Backend,
        *,
        root: str | None = None,
        image: str | None = None,
        caching: bool = True,
        options: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> "Submission":
        """Return a training run, with the usual choices where none are given.

        Args:
            use_case: A built-in one, or the module of one's own.
            backend: Who runs it.
            root: The registry; None takes the backend's usual one.
            image: The pipeline image; None takes the environment's, else a placeholder.
            caching: Whether steps may come from the cache.
            options: How versions are deployed.
            parameters: The pipeline's other parameters.

        Raises:
            PipelineError: There is no such use case, or the image has no digest.
        """
        from pipelines.use_cases import use_case as find_use_case

        plan = find_use_case(use_case).PLAN
        root = root or DEFAULT_ROOTS[backend.place]
        deployed = dict(options or {})
        if isinstance(backend, Vertex):
            from pipelines.vertex.options import DeployOptions

            image_there = f"{backend.region}-docker.pkg.dev/{backend.project}/portside/predictor:{version('portside')}"
            usual = {"project": backend.project, "region": backend.region, "image": image_there}
            deployed = {**usual, **deployed}
            # What a deployment lacks is better told now than after hours of training.
            DeployOptions.of(deployed)
        else:
            from pipelines.deploying.options import Options

            Options.of(deployed)
        given = {
            "use_case": use_case,
            "root": root,
            "deploy_to": TARGETS[backend.place],
            "options": deployed,
            **parameters,
        }
        return cls(backend, use_case, plan.name, plan.cron, root, pipeline_image(image), given, caching)

    @classmethod
    def scoring(
        cls,
        use_case: str,
        backend: Backend,
        *,
        out: str,
        root: str | None = None,
        image: str | None = None,
        **parameters: Any,
    ) -> "Submission":
        """Return a run that scores a batch with the champion, hourly where no time is given.

        Args:
            use_case: A built-in one, or the module of one's own.
            backend: Who runs it.
            out: Where the predictions go, a URI.
            root: The registry; None takes the backend's usual one.
            image: The pipeline image; None takes the environment's, else a placeholder.
            parameters: The pipeline's other parameters.

        Raises:
            PipelineError: There is no such use case, or the image has no digest.
        """
        from pipelines.use_cases import use_case as find_use_case

        root = root or DEFAULT_ROOTS[backend.place]
        name = f"{find_use_case(use_case).PLAN.name}-scoring"
        given = {"use_case": use_case, "root": root, "out": out, **parameters}
        return cls(backend, use_case, name, _HOURLY, root, pipeline_image(image), given, scores=True)

    def run_name(self) -> str:
        """Return a name for a run that begins now."""
        return f"{self.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}".replace("_", "-").lower()

    def request(self) -> dict[str, Any]:
        """Return what `run` would send, as a plain document; PipelineError when it would be refused."""
        with self._compiled(self.run_name()) as work:
            return self.backend.request(work)

    def schedule_request(self, cron: str | None = None) -> dict[str, Any]:
        """Return what `schedule` would send, as a plain document; PipelineError when it would be refused."""
        with self._compiled(self.name) as work:
            return self.backend.schedule_request(work, self.usual_cron if cron is None else cron)

    def run(self, name: str | None = None) -> str:
        """Start a run and return where it can be watched; PipelineError when it is refused or nobody answers."""
        self._check_image()
        with self._compiled(name or self.run_name()) as work:
            return self.backend.submit(work)

    def schedule(self, cron: str | None = None) -> str:
        """Have it run by a clock, in place of the schedule of its name that is there, and return the schedule's name.

        Args:
            cron: Five fields, UTC; None takes the usual time.

        Raises:
            PipelineError: It is refused, or nobody answers.
        """
        self._check_image()
        with self._compiled(self.name) as work:
            return self.backend.schedule(work, self.usual_cron if cron is None else cron)

    def _check_image(self) -> None:
        if self.image == PLACEHOLDER:
            raise PipelineError(
                "the steps need an image that the backend can pull: build it (docker build --target pipeline), push "
                "it, and name it with --image HOST/NAME:TAG or in PORTSIDE_PIPELINE_IMAGE"
            )

    @contextmanager
    def _compiled(self, name: str) -> Iterator[Work]:
        from pipelines.definition.compiling import scoring_of, training_of, write

        pipeline_of = scoring_of if self.scores else training_of
        with tempfile.TemporaryDirectory(prefix="portside-pipeline-") as folder:
            pipeline = pipeline_of(self.use_case, image=self.image, place=self.backend.place, root=self.root)
            spec = write(pipeline, Path(folder, f"{self.name}.yaml"))
            yield Work(spec, self.name, name, self.root, self.parameters, self.caching)
