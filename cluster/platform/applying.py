# SPDX-License-Identifier: Apache-2.0
"""Applying documents: definitions first, tried again while what checks them is still starting."""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.api import FIELD_MANAGER, Cluster, Object
from cluster.errors import ClusterError
from cluster.platform.documents import in_order, is_definition, title
from cluster.platform.waiting import Deadline, TimedOutError, wait_ready

#: What a refusal says when the one who would answer is not there yet.
_PASSING = (
    "failed calling webhook",
    "conversion webhook",
    "does not know",
    "connection refused",
    "no endpoints available",
    "the server is currently unable",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What applying has done.

    Attributes:
        applied: How many objects were made or changed.
        unchanged: How many were as they should be.
    """

    applied: int
    unchanged: int

    def __str__(self) -> str:
        if not self.applied:
            return f"unchanged ({_count(self.unchanged)})"
        return f"applied ({_count(self.applied)}" + (f"; {self.unchanged} unchanged)" if self.unchanged else ")")


def apply_all(
    cluster: Cluster, documents: Sequence[Object], deadline: Deadline, *, manager: str = FIELD_MANAGER
) -> Outcome:
    """Apply documents: definitions, of which each is waited for, then namespaces, then the rest.

    Args:
        cluster: Where.
        documents: What; objects that are there already get these fields.
        deadline: Until when a definition or a webhook is waited for.
        manager: Who owns the fields.

    Raises:
        ClusterError: The cluster refuses one; the text says why.
        TimedOutError: A webhook or a definition is not there in time.
    """
    changes = 0
    ordered = in_order(documents)
    definitions = [document for document in ordered if is_definition(document)]
    for document in definitions:
        changes += _apply(cluster, document, deadline, manager)
    for document in definitions:
        wait_ready(cluster, document, deadline)
    for document in ordered[len(definitions) :]:
        changes += _apply(cluster, document, deadline, manager)
    return Outcome(changes, len(ordered) - changes)


def _apply(cluster: Cluster, document: Object, deadline: Deadline, manager: str) -> bool:
    """Apply one document; return whether that changed anything."""
    metadata = document["metadata"]
    refusal: ClusterError | None = None

    def changed() -> bool | None:
        nonlocal refusal
        try:
            before = cluster.get(document["apiVersion"], document["kind"], metadata["name"], metadata.get("namespace"))
            after = cluster.apply(document, manager=manager)
        except ClusterError as err:
            if not any(words in str(err) for words in _PASSING):
                raise
            refusal = err
            return None
        return before is None or before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]

    answer = deadline.until(changed)
    if answer is None:
        raise TimedOutError(
            f"{title(document)} could not be applied within {deadline.seconds:g} s: {refusal}"
        ) from refusal
    return answer


def _count(objects: int) -> str:
    return f"{objects} object{'' if objects == 1 else 's'}"
