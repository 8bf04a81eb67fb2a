# SPDX-License-Identifier: Apache-2.0
"""Vertex AI's model registry: a published artifact becomes a version of its model there, and aliases name versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pipelines.errors import PipelineError
from pipelines.vertex.connection import SECONDS, Vertex, VertexError
from pipelines.vertex.names import check_labels, check_root, label_value, model_id, version_alias

PREDICT_ROUTE: Final = "/vertex/predict"
HEALTH_ROUTE: Final = "/vertex/health"
#: The alias of the version that is meant where none is named; a model always has exactly one.
DEFAULT: Final = "default"
#: The label that tells one artifact from another.
DIGEST: Final = "portside-digest"
_HTTP_PORT: Final = 8080
_UPLOAD_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A version to be uploaded.

    Attributes:
        name: The model's name.
        version: Its version.
        artifact_uri: The artifact's folder, ``gs://BUCKET/.../NAME/VERSION``.
        image: The serving image in Artifact Registry.
        digest: Tells the artifact from any other, in lower-case letters and digits.
        description: Of the version, for people.
        labels: Further labels.
        environment: Variables of the container, as ``PREDICTOR_*``.
        is_default: Whether it becomes the model's default version at once; the first one always does.
    """

    name: str
    version: str
    artifact_uri: str
    image: str
    digest: str
    description: str = ""
    labels: Mapping[str, str] | None = None
    environment: Mapping[str, str] | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version in Vertex AI's registry.

    Attributes:
        model: The model's resource name.
        version_id: The number that Vertex AI gave it.
    """

    model: str
    version_id: str

    @property
    def resource(self) -> str:
        """The version's resource name."""
        return f"{self.model}@{self.version_id}"


def upload_request(vertex: Vertex, upload: Upload, *, is_first: bool) -> dict[str, Any]:
    """Return the request that uploads a version, as the API's JSON has it.

    Args:
        vertex: Where.
        upload: The version.
        is_first: Whether the model is not there yet.

    Raises:
        PipelineError: The version is not as Vertex AI takes it.
    """
    labels = {
        "portside-version": label_value(upload.version),
        DIGEST: label_value(upload.digest),
        **(upload.labels or {}),
    }
    environment = {"PREDICTOR_ENABLE_GRPC": "false", **(upload.environment or {})}
    model = {
        "displayName": upload.name,
        "versionDescription": upload.description or f"{upload.name} {upload.version}",
        "versionAliases": [version_alias(upload.version), *([DEFAULT] if upload.is_default else [])],
        "artifactUri": check_root(upload.artifact_uri),
        "labels": check_labels(labels),
        "containerSpec": {
            "imageUri": upload.image,
            "ports": [{"containerPort": _HTTP_PORT}],
            "predictRoute": PREDICT_ROUTE,
            "healthRoute": HEALTH_ROUTE,
            "env": [{"name": name, "value": value} for name, value in environment.items()],
        },
    }
    if is_first:
        return {"parent": vertex.parent, "modelId": model_id(upload.name), "model": model}
    return {"parent": vertex.parent, "parentModel": _resource(vertex, upload.name), "model": model}


def upload_version(vertex: Vertex, upload: Upload) -> ModelVersion:
    """Upload a version, unless it is there already, and return it.

    Raises:
        PipelineError: It is there with another content, another model has the id, or Vertex AI refuses.
    """
    present = _versions(vertex, upload.name)
    alias = version_alias(upload.version)
    for found in present:
        if found.display_name != upload.name:
            raise PipelineError(
                f'{found.name}: another model, "{found.display_name}", has the id that "{upload.name}" would have; '
                "rename one of them"
            )
        if alias in found.version_aliases:
            if found.labels.get(DIGEST) != label_value(upload.digest):
                raise PipelineError(
                    f"{found.name}: version {upload.version} is in Vertex AI's registry with another content; "
                    "choose a new version"
                )
            return _version(found)
    message = vertex.message("UploadModelRequest", upload_request(vertex, upload, is_first=not present))
    with vertex.told():
        operation = vertex.models.upload_model(message, timeout=SECONDS)
    made = vertex.wait(operation, "UploadModelResponse", _UPLOAD_SECONDS)
    return ModelVersion(made.model.partition("@")[0], made.model_version_id)


def move_aliases(vertex: Vertex, name: str, version: ModelVersion, aliases: Sequence[str]) -> None:
    """Have aliases name a version from now on, and no other.

    Args:
        vertex: Where.
        name: The model's name.
        version: The version.
        aliases: Such as ``champion``; ``default`` among them makes it the default version.

    Raises:
        PipelineError: Vertex AI refuses.
    """
    present = {found.version_id: set(found.version_aliases) for found in _versions(vertex, name)}
    missing = [alias for alias in aliases if alias not in present.get(version.version_id, set())]
    for version_id, held in present.items():
        # The default cannot be taken away, only given to another version, which Vertex AI does in one step.
        lost = sorted(held.intersection(missing) - {DEFAULT})
        if lost:
            _merge(vertex, f"{version.model}@{version_id}", [f"-{alias}" for alias in lost])
    if missing:
        _merge(vertex, version.resource, missing)


def _merge(vertex: Vertex, resource: str, aliases: Sequence[str]) -> None:
    with vertex.told():
        vertex.models.merge_version_aliases({"name": resource, "version_aliases": list(aliases)}, timeout=SECONDS)


def _versions(vertex: Vertex, name: str) -> list[Any]:
    """Return the model's versions; none where there is no such model."""
    try:
        with vertex.told():
            return list(vertex.models.list_model_versions({"name": _resource(vertex, name)}, timeout=SECONDS))
    except VertexError as err:
        if err.code == HTTPStatus.NOT_FOUND:
            return []
        raise


def _version(found: Any) -> ModelVersion:
    return ModelVersion(found.name.partition("@")[0], found.version_id)


def _resource(vertex: Vertex, name: str) -> str:
    return f"{vertex.parent}/models/{model_id(name)}"
