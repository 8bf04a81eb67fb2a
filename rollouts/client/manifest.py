# SPDX-License-Identifier: Apache-2.0
"""A ModelRollout before it is made: its object, its name, and the URI of the version that it brings in."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cluster.api import Object
from cluster.errors import ClusterError
from cluster.services.artifact_uri import ARCHIVES, folder_uri, version_of
from rollouts.client.report import ROLLBACK_LABEL, Report
from rollouts.spec import MODEL_ROLLOUT, label_of

#: What must hold where a user says nothing: the limits of docs/rollouts.md's first example.
USUAL_GATES: Final[Mapping[str, Mapping[str, float]]] = {
    "errors": {"maxIncrease": 0.005},
    "latency": {"percentile": 99, "maxRatio": 1.2},
    "predictions": {"maxShift": 0.1},
}

#: A label's length, though a name may be longer: tools put names into labels.
_LONGEST_NAME: Final = 63


def manifest(name: str, namespace: str, spec: Mapping[str, Any], *, rollback: bool = False) -> Object:
    """Return a ModelRollout's object.

    Args:
        name: Its name.
        namespace: Its namespace, and the service's.
        spec: What it asks for.
        rollback: Whether it goes back to an earlier version.
    """
    metadata: Object = {"name": name, "namespace": namespace}
    if rollback:
        metadata["labels"] = {ROLLBACK_LABEL: "true"}
    return {"apiVersion": MODEL_ROLLOUT[0], "kind": MODEL_ROLLOUT[1], "metadata": metadata, "spec": dict(spec)}


def free_name(service: str, storage_uri: str, taken: Iterable[Report]) -> str:
    """Return a name for a rollout: the service's and the version's, with a number behind them where that is taken.

    Args:
        service: The InferenceService.
        storage_uri: The new version's artifact.
        taken: The rollouts that are there.
    """
    version = label_of(version_of(storage_uri))
    names = {each.rollout for each in taken}
    number = 1
    while True:
        tail = "" if number == 1 else f"-{number}"
        name = f"{f'{service}-{version}'[: _LONGEST_NAME - len(tail)].rstrip('-')}{tail}"
        if name not in names:
            return name
        number += 1


def sibling(storage_uri: str, version: str) -> str:
    """Return where another version's artifact is, beside that of the one that serves.

    Args:
        storage_uri: What serves now, such as ``s3://models/spam/1.0.0/``.
        version: The other version, such as ``1.1.0``.

    Raises:
        ClusterError: What serves now is no folder named by its version, or that is no version.
    """
    if not version or "/" in version or any(character.isspace() for character in version):
        raise ClusterError(f"{version!r} is not a version, such as 1.1.0; a URI is given with --artifact")
    parent, _, last = storage_uri.rstrip("/").rpartition("/")
    if parent.endswith((":/", ":")) or last.endswith(ARCHIVES):
        raise ClusterError(
            f"{storage_uri} is not a folder NAME/VERSION, so where {version} is cannot be told from it: give its URI "
            "with --artifact"
        )
    return folder_uri(f"{parent}/{version}")
