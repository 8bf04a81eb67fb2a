# SPDX-License-Identifier: Apache-2.0
"""Schedules: a pipeline job that Vertex AI starts again and again, one schedule of a name at a time."""

from pathlib import Path
from typing import Any, Final

from pipelines.errors import PipelineError
from pipelines.vertex.connection import SECONDS, Vertex
from pipelines.vertex.cron import cron_with_zone
from pipelines.vertex.jobs import job

_DELETE_SECONDS: Final = 300.0


def request(
    spec_path: Path, *, project: str, region: str, name: str, cron: str, time_zone: str = "UTC", **words: Any
) -> dict[str, Any]:
    """Return the request that ``create`` sends; nothing is sent.

    Args:
        spec_path: The compiled pipeline, one document.
        project: The project's id.
        region: Such as ``europe-west4``.
        name: The schedule's name, which its runs have too.
        cron: When, in five fields.
        time_zone: Of the cron expression.
        words: As ``jobs.job`` takes them.

    Raises:
        PipelineError: One of these is not as Vertex AI takes it.
    """
    parent = Vertex(project, region).parent
    return {
        "parent": parent,
        "schedule": {
            "displayName": name,
            "cron": cron_with_zone(cron, time_zone),
            # A run that takes longer than the time between two is followed by one, not by two at once.
            "maxConcurrentRunCount": "1",
            "createPipelineJobRequest": {"parent": parent, "pipelineJob": job(spec_path, name=name, **words)},
        },
    }


def create(spec_path: Path, *, project: str, region: str, name: str, cron: str, **words: Any) -> str:
    """Create a schedule and return its resource name; those that bore its name before are deleted.

    The new one is there before the others go, so that a failure in between loses none.

    Args:
        spec_path: The compiled pipeline, one document.
        project: The project's id.
        region: Such as ``europe-west4``.
        name: The schedule's name.
        cron: When, in five fields.
        words: As ``request`` takes them.

    Raises:
        PipelineError: It is not as Vertex AI takes it, Vertex AI refuses or cannot be reached, there are no
            credentials, or the library is not installed.
    """
    document = request(spec_path, project=project, region=region, name=name, cron=cron, **words)
    vertex = Vertex(project, region)
    client = vertex.schedules
    message = vertex.message("CreateScheduleRequest", document)
    with vertex.told():
        made = client.create_schedule(message, timeout=SECONDS)
        listed = client.list_schedules({"parent": vertex.parent, "filter": f'display_name="{name}"'}, timeout=SECONDS)
        former = [found.name for found in listed if found.display_name == name and found.name != made.name]
    for other in former:
        try:
            with vertex.told():
                operation = client.delete_schedule({"name": other}, timeout=SECONDS)
            vertex.wait(operation, None, _DELETE_SECONDS)
        except PipelineError as err:
            raise PipelineError(
                f"{made.name} is scheduled, but the former schedule {other} is still there ({err}): delete it, or "
                "both run"
            ) from err
    return str(made.name)
