# SPDX-License-Identifier: Apache-2.0
"""A version that replaces another one by a rollout: brought in step by step, and only as long as it is no worse."""

from collections.abc import Callable, Mapping
from typing import Any

from cluster import Cluster, ClusterError
from pipelines.errors import StepError
from rollouts.client.changes import abort
from rollouts.client.following import NotTakenUpError, follow
from rollouts.client.going_back import roll_back
from rollouts.client.listing import rollout_of, rollouts_of
from rollouts.client.manifest import USUAL_GATES, free_name, manifest
from rollouts.client.report import Report
from rollouts.phases import Phase
from rollouts.spec import DEFAULT_STEPS


class RolloutOf:
    """The rollouts of one service, as a pipeline starts them and waits for their end.

    Args:
        cluster: The cluster.
        namespace: The service's namespace.
        service: The InferenceService.
        tell: Takes a line whenever there is news.
    """

    def __init__(self, cluster: Cluster, namespace: str, service: str, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._service = service
        self._tell = tell

    def is_under_way(self, storage_uri: str) -> bool:
        """Return whether a rollout brings a version in that has not ended yet.

        Raises:
            ClusterError: The cluster knows no rollouts, or cannot be asked.
        """
        return self._under_way(storage_uri) is not None

    def bring_in(self, storage_uri: str, fields: Mapping[str, Any], *, patience: float) -> None:
        """Roll a version out, or join the rollout that an interrupted run has started, and wait for its end.

        Args:
            storage_uri: The version's artifact.
            fields: What the spec has besides service, artifact and gates.
            patience: Seconds until a rollout that no controller takes up is given up.

        Raises:
            StepError: It was not promoted, or another rollout of the service is under way; the text says why.
            ClusterError: The cluster refuses, or cannot be reached.
        """
        mine = self._under_way(storage_uri)
        name = mine.rollout if mine is not None else self._started(storage_uri, fields)
        self._tell(f"rollout {name} brings {self._service} to {storage_uri}")
        try:
            ended = follow(self._cluster, self._namespace, name, self._tell, patience=patience)
        except NotTakenUpError as err:
            # Nobody would be told of what it does once there is a controller again.
            abort(self._cluster, rollout_of(self._cluster, self._namespace, name))
            raise StepError(f"{err}; it is aborted") from err
        if ended.phase is not Phase.PROMOTED:
            raise StepError(f"rollout {name} is {ended.phase}: {ended.verdict}")

    def put_back(self) -> str:
        """Have the service go back to what the last rollout replaced, and say what has become of it."""
        try:
            back = roll_back(self._cluster, self._namespace, self._service, None)
            ended = follow(self._cluster, self._namespace, back.rollout, self._tell, until=back.until)
        except ClusterError as err:
            return f"not put back ({err})"
        done = ended.phase is back.success
        return f"put back to {back.version}" if done else f"not put back: rollout {back.rollout} is {ended.phase}"

    def _under_way(self, storage_uri: str) -> Report | None:
        found = rollouts_of(self._cluster, self._namespace, self._service)
        return next((each for each in found if each.under_way and each.storage_uri == storage_uri), None)

    def _started(self, storage_uri: str, fields: Mapping[str, Any]) -> str:
        present = rollouts_of(self._cluster, self._namespace, self._service)
        other = next((each for each in present if each.under_way), None)
        if other is not None:
            raise StepError(
                f"rollout {other.rollout} of {self._service} is under way, {other.phase}: start the run again once it "
                "has ended, and the version is compared with what serves then"
            )
        spec = {
            "inferenceService": self._service,
            "storageUri": storage_uri,
            "steps": [{"traffic": share} for share in DEFAULT_STEPS],
            "gates": USUAL_GATES,
            **fields,
        }
        name = free_name(self._service, storage_uri, present)
        # Another of its name may have been made meanwhile, and is not written over.
        self._cluster.create(manifest(name, self._namespace, spec))
        return name
