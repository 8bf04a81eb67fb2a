# SPDX-License-Identifier: Apache-2.0
"""Whose fields are whose: what a rollout has written, and giving it all up, so that no later apply finds a conflict."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.api import Cluster, ConflictError, Object

#: Who owns the fields that rollouts write, as Kubernetes records it on every object.
MANAGER: Final = "portside-rollouts"

#: Controllers write the status of an object at any time, and each write makes it another version.
_ATTEMPTS: Final = 5


def owns(document: Mapping[str, Any], *path: str) -> bool:
    """Return whether a field was written by a rollout, and by nobody else since.

    Args:
        document: An object as the cluster has it.
        path: The field's name, after those of the objects that it is in; none asks for any field.
    """
    fields = [entry.get("fieldsV1", {}) for entry in _entries(document) if _is_ours(entry)]
    return any(_has(each, path) for each in fields)


def release(cluster: Cluster, document: Object) -> bool:
    """Give up all fields of an object, which stay as they are; return whether there were any.

    Args:
        cluster: Where it is.
        document: The object as it was read.

    Raises:
        ConflictError: Others write it all the time.
    """
    found: Object | None = document
    name, namespace = document["metadata"]["name"], document["metadata"].get("namespace")
    head = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
    for left in reversed(range(_ATTEMPTS)):
        if found is None or not owns(found):
            return False
        kept = [entry for entry in _entries(found) if not _is_ours(entry)]
        metadata = {
            "name": name,
            "namespace": namespace,
            "resourceVersion": found["metadata"]["resourceVersion"],
            # An empty list would be taken for none given; one empty entry is what clears it.
            "managedFields": kept or [{}],
        }
        try:
            cluster.patch({**head, "metadata": metadata}, manager=MANAGER)
        except ConflictError:
            if not left:
                raise
            found = cluster.get(head["apiVersion"], head["kind"], name, namespace)
        else:
            return True
    return False


def _entries(document: Mapping[str, Any]) -> list[Object]:
    return document["metadata"].get("managedFields") or []


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == MANAGER and not entry.get("subresource")


def _has(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for name in path:
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True
