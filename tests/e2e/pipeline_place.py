# SPDX-License-Identifier: Apache-2.0
"""A namespace of its own in which pipelines run and deploy, made from the manifests of the place "kind"."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.kubernetes import Namespace, kubectl, poll
from tests.e2e.object_store import ROOT, forget
from tests.manifests.rendering import render

_MANIFESTS = Path(__file__).parents[2] / "manifests"
_ENDED_SECONDS = 240

Object = dict[str, Any]


@dataclass(frozen=True)
class PipelinePlace:
    """Where pipelines run and deploy.

    Attributes:
        namespace: The namespace.
        root: A registry that nobody else uses.
    """

    namespace: Namespace
    root: str

    @property
    def options(self) -> tuple[str, ...]:
        """What `portside pipeline run` is told of it."""
        domain = f"--option=domain={self.namespace.name}.localhost"
        return ("--deploy=kserve", f"--root={self.root}", f"--namespace={self.namespace.name}", domain)

    def hostname(self, model: str) -> str:
        """Return the host that a model's routes take."""
        return f"{model}.{self.namespace.name}.localhost"

    def run_job(self, cron_job: str) -> tuple[str, str]:
        """Run what a CronJob runs, here, and return how its Job ended and what it logged."""
        words = ("create", "job", f"{cron_job}-now", f"--from=cronjob/{cron_job}", "--namespace", self.namespace.name)
        job = json.loads(kubectl(*words, "--dry-run=client", "--output=json"))
        job["spec"]["template"]["spec"]["containers"][0]["args"] += self.options
        self.namespace.create(job)
        condition = poll(_ENDED_SECONDS, f"{cron_job} to end", lambda: self._ended(f"{cron_job}-now"))
        return condition, kubectl("logs", f"job/{cron_job}-now", "--namespace", self.namespace.name)

    def _ended(self, job: str) -> str | None:
        conditions = self.namespace.get("job", job)["status"].get("conditions", [])
        ends = [each["type"] for each in conditions if each["status"] == "True"]
        return next((end for end in ends if end in ("Complete", "Failed")), None)


@contextmanager
def pipeline_place() -> Iterator[PipelinePlace]:
    """Make a namespace with what `portside install` and the pipelines' overlay put into `models`; delete it after."""
    namespace = Namespace(f"portside-e2e-{uuid.uuid4().hex[:8]}")
    place = PipelinePlace(namespace, f"{ROOT}/{namespace.name}")
    configs = [each for each in render(_MANIFESTS / "configs/overlays/kind") if _is_of_models(each)]
    pipelines = render(_MANIFESTS / "pipelines/overlays/kind")
    documents = [_moved(each, namespace.name) for each in (*configs, *pipelines)]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    try:
        kubectl("apply", "--server-side", "--filename", "-", stdin=items)
        yield place
    except BaseException:
        namespace.dump()
        raise
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", "-", stdin=items)
        forget(namespace.name)


def _is_of_models(document: Object) -> bool:
    """Return whether it is the namespace `models`, or what pods there need to read artifacts."""
    metadata = document["metadata"]
    named = (document["kind"], metadata["name"])
    return named == ("Namespace", "models") or (
        metadata.get("namespace") == "models" and document["kind"] in ("ServiceAccount", "Secret")
    )


def _moved(document: Object, namespace: str) -> Object:
    """Return an object for another namespace than `models`, beside the one that may be there for `models` itself."""
    moved: Object = json.loads(json.dumps(document).replace('"models"', f'"{namespace}"'))
    metadata = moved["metadata"]
    if document["kind"] == "ServiceAccount" and document["metadata"]["name"] == "models":
        metadata["name"] = "models"
    elif "Role" in document["kind"] and metadata.get("namespace") != namespace:
        metadata["name"] += f"-{namespace}"
        moved.get("roleRef", {})["name"] = metadata["name"]
    elif document["kind"] == "CronJob":
        # Not by the clock.
        moved["spec"]["suspend"] = True
    return moved
