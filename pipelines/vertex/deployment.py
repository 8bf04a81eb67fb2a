# SPDX-License-Identifier: Apache-2.0
"""A published version on Vertex AI: uploaded to its registry, deployed to the model's endpoint, and named champion."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from pipelines.deploying.answers import wrong_answer
from pipelines.errors import PipelineError, StepError
from pipelines.vertex.connection import Vertex
from pipelines.vertex.endpoint import deploy_version, find_or_create
from pipelines.vertex.golden import sender
from pipelines.vertex.model_registry import DEFAULT, Upload, move_aliases, upload_version
from pipelines.vertex.names import label_value
from pipelines.vertex.options import DeployOptions
from predictors.artifact import MANIFEST, Artifact, open_artifact

_CHAMPION: Final = "champion"


class Addressed(Protocol):
    """A registry, as far as it is asked here."""

    def address(self, name: str, version: str) -> str:
        """Return where a version is."""
        ...


def deploy(registry: Addressed, name: str, version: str, artifact_folder: Path, options: Mapping[str, str]) -> str:
    """Serve a version that was published to Cloud Storage, and return where it is asked.

    Each part does nothing where its work is done, so that a run that was interrupted is completed by the next. The
    aliases ``champion`` and ``default`` move last, once the version has answered its golden requests.

    Args:
        registry: Where it was published, under a ``gs://`` root.
        name: The model's name.
        version: Its version.
        artifact_folder: The artifact on this machine.
        options: ``project``, ``region`` and ``image``; optionally ``endpoint``, ``traffic``, ``machine_type``,
            ``replicas``, ``service_account``, ``allow_pickle`` and ``wait``.

    Returns:
        The endpoint's resource name, with the page of the console that shows it.

    Raises:
        StepError: The registry is elsewhere, an option is wrong, or the version does not serve; the text says why, and
            what serves instead.
    """
    address = registry.address(name, version)
    if not address.startswith("gs://"):
        raise StepError(
            f"{address}: Vertex AI reads artifacts from Cloud Storage only: give the registry as --root gs://BUCKET"
        )
    artifact = open_artifact(artifact_folder)
    try:
        chosen = DeployOptions.of(options)
        return _deploy(Vertex(chosen.project, chosen.region), artifact, address, chosen)
    except StepError:
        raise
    except PipelineError as err:
        raise StepError(str(err)) from err


def _deploy(vertex: Vertex, artifact: Artifact, address: str, chosen: DeployOptions) -> str:
    name, version = artifact.manifest.name, artifact.manifest.version
    labels = {"portside-model": label_value(name)}
    digest = hashlib.sha256(artifact.path(MANIFEST).read_bytes()).hexdigest()
    uploaded = upload_version(
        vertex,
        Upload(
            name,
            version,
            address,
            chosen.image,
            digest,
            description=_description(artifact),
            labels=labels,
            environment={"PREDICTOR_ALLOW_PICKLE": "true"} if chosen.allow_pickle else {},
        ),
    )
    endpoint: Any = find_or_create(vertex, chosen.endpoint or name, labels)
    if chosen.endpoint is None and endpoint.display_name != name:
        # Ids have fewer letters than names: fraud_v2 and fraud-v2 would take each other's traffic.
        raise PipelineError(
            f'{endpoint.name}: another endpoint, "{endpoint.display_name}", has the id that the one of "{name}" would '
            "have; name one by --option endpoint=NAME, this one too where it is meant"
        )

    def wrong(deployed: str) -> str | None:
        return wrong_answer(artifact, sender(vertex, endpoint.name, deployed, artifact.manifest))

    deploy_version(
        vertex,
        endpoint.name,
        uploaded,
        display_name=f"{name} {version}",
        percent=chosen.traffic,
        machines=chosen.machines,
        wrong=wrong,
    )
    move_aliases(vertex, name, uploaded, (_CHAMPION, DEFAULT))
    page = f"https://console.cloud.google.com/vertex-ai/online-prediction/locations/{chosen.region}/endpoints"
    return f"{endpoint.name} ({page}/{endpoint.name.rpartition('/')[2]}?project={chosen.project})"


def _description(artifact: Artifact) -> str:
    lineage = artifact.manifest.lineage
    told = [f"{key}: {lineage[key]}" for key in ("run", "reason") if key in lineage]
    return "; ".join([f"{artifact.manifest.name} {artifact.manifest.version}", *told])
