# SPDX-License-Identifier: Apache-2.0
"""The two places that run pipelines for others, Kubeflow Pipelines and Vertex AI, behind one interface."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pipelines.definition.needs import Place

if TYPE_CHECKING:
    from pipelines.running.kfp_backend import Request

#: Below the registry's root, where Vertex AI keeps what steps write; the registry passes names with a dot by.
_PIPELINE_ROOT: Final = ".pipelines"
_NOT_IN_LABELS: Final = re.compile(r"[^a-z0-9_-]")
_LONGEST_LABEL: Final = 63


@dataclass(frozen=True)
class Work:
    """What a backend is to run.

    Attributes:
        spec: The compiled pipeline.
        model: The model's name; that of batch scoring has ``-scoring`` behind it.
        name: The run's name, or the schedule's.
        root: The registry.
        parameters: The pipeline's parameters.
        caching: Whether steps may come from the cache.
    """

    spec: Path
    model: str
    name: str
    root: str
    parameters: Mapping[str, Any]
    caching: bool


class Backend(Protocol):
    """Who runs pipelines."""

    @property
    def place(self) -> Place:
        """What the pipeline is compiled for."""
        ...

    def request(self, work: Work) -> dict[str, Any]:
        """Return what would be sent, as a plain document; PipelineError when it would be refused."""
        ...

    def submit(self, work: Work) -> str:
        """Start a run and return where it can be watched; PipelineError when it is refused or nobody answers."""
        ...

    def schedule_request(self, work: Work, cron: str) -> dict[str, Any]:
        """Return what `schedule` would send, as a plain document; PipelineError when it would be refused."""
        ...

    def schedule(self, work: Work, cron: str) -> str:
        """Have a run started by a clock (five fields, UTC) in place of the schedule of that name; return its name.

        Raises:
            PipelineError: It is refused, or nobody answers.
        """
        ...


@dataclass(frozen=True)
class Kubeflow:
    """A Kubeflow Pipelines API.

    Attributes:
        url: Its address.
        experiment: What runs are listed under; made when it is missing.
        namespace: The profile, where there are several users.
        service_account: Kubernetes' account that the pods run as; None takes the backend's own.
    """

    url: str
    experiment: str = "portside"
    namespace: str | None = None
    service_account: str | None = None
    place: Place = "kfp"

    def request(self, work: Work) -> dict[str, Any]:
        """Return the run as Kubeflow's API takes it, but for its experiment's id; see ``Backend``."""
        return self._asked(work).run()

    def submit(self, work: Work) -> str:
        """Start a run; see ``Backend``."""
        from pipelines.running import kfp_backend

        link = kfp_backend.submit(self._asked(work), url=self.url, experiment=self.experiment, namespace=self.namespace)
        return link.url

    def schedule_request(self, work: Work, cron: str) -> dict[str, Any]:
        """Return the recurring run as Kubeflow's API takes it, but for its experiment's id; see ``Backend``."""
        return self._asked(work).recurring_run(cron)

    def schedule(self, work: Work, cron: str) -> str:
        """Make a recurring run; see ``Backend``."""
        from pipelines.running import kfp_backend

        return kfp_backend.schedule(
            self._asked(work), cron, url=self.url, experiment=self.experiment, namespace=self.namespace
        )

    def _asked(self, work: Work) -> "Request":
        from pipelines.running.kfp_backend import Request

        return Request(work.spec, work.name, work.parameters, self.service_account, work.caching)


@dataclass(frozen=True)
class Vertex:
    """Vertex AI in a project's region.

    Attributes:
        project: The project's id.
        region: Such as ``europe-west4``.
        service_account: Google's account that the run acts as; None takes the project's own.
    """

    project: str
    region: str
    service_account: str | None = None
    place: Place = "vertex"

    def request(self, work: Work) -> dict[str, Any]:
        """Return the PipelineJob; see ``Backend``."""
        from pipelines.vertex import jobs

        return jobs.request(work.spec, **self._words(work))

    def submit(self, work: Work) -> str:
        """Create a PipelineJob; see ``Backend``."""
        from pipelines.vertex import jobs

        return jobs.submit(work.spec, **self._words(work))

    def schedule_request(self, work: Work, cron: str) -> dict[str, Any]:
        """Return the schedule; see ``Backend``."""
        from pipelines.vertex import schedule

        return schedule.request(work.spec, **self._words(work), cron=cron)

    def schedule(self, work: Work, cron: str) -> str:
        """Create a schedule of PipelineJobs; see ``Backend``."""
        from pipelines.vertex import schedule

        return schedule.create(work.spec, **self._words(work), cron=cron)

    def _words(self, work: Work) -> dict[str, Any]:
        because = _label(str(work.parameters.get("because", "")))
        return {
            "project": self.project,
            "region": self.region,
            "root": f"{work.root.rstrip('/')}/{_PIPELINE_ROOT}",
            "name": work.name,
            "parameters": dict(work.parameters),
            "labels": {"model": _label(work.model), **({"because": because} if because else {})},
            "service_account": self.service_account,
            "caching": work.caching,
        }


def _label(text: str) -> str:
    """Return a text as Google Cloud takes it for a label's value."""
    return _NOT_IN_LABELS.sub("-", text.lower())[:_LONGEST_LABEL]
