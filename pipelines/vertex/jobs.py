# SPDX-License-Identifier: Apache-2.0
"""Pipeline jobs: a compiled pipeline with its parameters, as Vertex AI is asked to run it once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pipelines.vertex.connection import SECONDS, Vertex
from pipelines.vertex.names import (
    check_display_name,
    check_labels,
    check_network,
    check_root,
    check_service_account,
    job_id,
)
from pipelines.vertex.spec import check_parameters, load_spec, without_cache

#: ``fast``: no further task is started once one has failed; ``slow``: those that do not need it still are.
FailurePolicy: TypeAlias = Literal["fast", "slow"]

_POLICIES: Final[dict[FailurePolicy, str]] = {
    "fast": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
    "slow": "PIPELINE_FAILURE_POLICY_FAIL_SLOW",
}


def job(
    spec_path: Path,
    *,
    root: str,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    service_account: str | None = None,
    network: str | None = None,
    caching: bool = True,
    failure_policy: FailurePolicy | None = None,
) -> dict[str, Any]:
    """Return a PipelineJob as the API's JSON has it.

    Args:
        spec_path: The compiled pipeline, one document.
        root: The folder in Cloud Storage that steps write below, ``gs://BUCKET[/FOLDER]``.
        name: What the console calls it.
        parameters: Values of the pipeline's parameters.
        labels: Labels by their keys.
        service_account: The account that the steps run as; None takes the project's own.
        network: A VPC network that the steps see, ``projects/NUMBER/global/networks/NAME``.
        caching: Whether steps may come from the cache, where the pipeline itself lets them.
        failure_policy: What is done once a task has failed; None takes Vertex AI's choice, which is ``slow``.

    Raises:
        PipelineError: One of these is not as Vertex AI takes it.
    """
    spec = load_spec(spec_path)
    runtime: dict[str, Any] = {
        "gcsOutputDirectory": check_root(root),
        "parameterValues": check_parameters(spec, parameters),
    }
    if failure_policy is not None:
        runtime["failurePolicy"] = _POLICIES[failure_policy]
    document: dict[str, Any] = {
        "displayName": check_display_name(name),
        "pipelineSpec": spec if caching else without_cache(spec),
        "runtimeConfig": runtime,
        "labels": check_labels(labels),
        "serviceAccount": check_service_account(service_account),
        "network": check_network(network),
    }
    return {key: value for key, value in document.items() if value}


def request(spec_path: Path, *, project: str, region: str, name: str, **words: Any) -> dict[str, Any]:
    """Return the request that ``submit`` sends; nothing is sent, and neither credentials nor Google's library needed.

    Args:
        spec_path: The compiled pipeline, one document.
        project: The project's id.
        region: Such as ``europe-west4``.
        name: The run's name, which the job's id is made of.
        words: As ``job`` takes them.

    Raises:
        PipelineError: One of these is not as Vertex AI takes it.
    """
    return {
        "parent": Vertex(project, region).parent,
        "pipelineJobId": job_id(name),
        "pipelineJob": job(spec_path, name=name, **words),
    }


def submit(spec_path: Path, *, project: str, region: str, name: str, **words: Any) -> str:
    """Start a pipeline job and return its resource name, with the page of the console that shows it.

    Args:
        spec_path: The compiled pipeline, one document.
        project: The project's id.
        region: Such as ``europe-west4``.
        name: The run's name, which the job's id is made of.
        words: As ``job`` takes them.

    Raises:
        PipelineError: It is not as Vertex AI takes it, Vertex AI refuses or cannot be reached, there are no
            credentials, or the library is not installed.
    """
    document = request(spec_path, project=project, region=region, name=name, **words)
    vertex = Vertex(project, region)
    client = vertex.pipelines
    message = vertex.message("CreatePipelineJobRequest", document)
    with vertex.told():
        made = client.create_pipeline_job(message, timeout=SECONDS)
    page = f"https://console.cloud.google.com/vertex-ai/locations/{region}/pipelines/runs/{document['pipelineJobId']}"
    return f"{made.name} ({page}?project={project})"
