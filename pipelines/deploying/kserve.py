# SPDX-License-Identifier: Apache-2.0
"""Serving a version as an InferenceService: brought in, asked by its own pods, and taken back where it is not right."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from cluster import Cluster, ClusterError
from cluster.readiness import is_ready
from cluster.services.address import gateway_address, hostname_of
from cluster.services.artifact_uri import folder_uri, version_of
from cluster.services.deploying import apply, wait
from cluster.services.deployment_plan import Choices, plan
from cluster.services.objects import HTTP_ROUTE, INFERENCE_SERVICE, Service, service_of
from cluster.services.observation import observe
from cluster.services.reasons import explain
from cluster.services.undeploying import find, remove
from pipelines.deploying.answers import wrong_answer
from pipelines.deploying.options import Options
from pipelines.deploying.rollout import RolloutOf
from pipelines.errors import StepError
from predictors.artifact import Artifact

_HTTP_PORT: Final = 8080
#: A pod that was ready a moment ago may be leaving, for an autoscaler or a node.
_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 1.0


class KServePlace:
    """A namespace of a cluster, where a model's InferenceService bears the model's name.

    Args:
        cluster: The cluster.
        namespace: The namespace.
        options: How a version is deployed.
        tell: Takes a line whenever there is news.
    """

    def __init__(self, cluster: Cluster, namespace: str, options: Options, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._options = options
        self._tell = tell

    def is_serving(self, artifact: Artifact, address: str) -> bool:
        """Return whether the InferenceService is just as it would be made, and ready; see ``Place``.

        A rollout changes nothing but the version, so nothing else is compared where there is to be one.
        """
        name = artifact.manifest.name
        found = observe(self._cluster, self._namespace, name)
        if not found or explain(found[0]) is not None:
            return False
        if self._options.rollout:
            return found[0].artifact == folder_uri(address)
        return self._present(name) == self._wanted(name, address)

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:
        """Bring the version in, wait for it, ask one of its pods, or put back what was there; see ``Place``."""
        name = artifact.manifest.name
        before = self._present(name)
        if self._options.rollout and before is not None:
            return self._rolled_out(artifact, replace(before, artifact=folder_uri(address)), before)
        wanted = self._wanted(name, address)
        # What the cluster refuses is refused before anything is changed.
        apply(self._cluster, wanted, force=self._options.force, dry_run=True)
        try:
            apply(self._cluster, wanted, force=self._options.force)
            reason = self._unready(wanted) or self._wrong(artifact)
        except ClusterError as err:
            reason = str(err)
        if reason is not None:
            raise StepError(f"{name} is {self._put_back(name, wanted, before, former)}: {reason}")
        return f"at {gateway_address(self._cluster).format(host=wanted.hostname)}"

    def _rolled_out(self, artifact: Artifact, wanted: Service, before: Service) -> str:
        """Bring the version in by a rollout, which puts back itself what is worse than the version that serves."""
        name = artifact.manifest.name
        rollout = RolloutOf(self._cluster, self._namespace, name, self._tell)
        try:
            if before.artifact != wanted.artifact or rollout.is_under_way(wanted.artifact):
                rollout.bring_in(wanted.artifact, self._options.rollout_fields, patience=self._options.wait)
            reason = self._unready(wanted) or self._wrong(artifact)
        except ClusterError as err:
            raise StepError(str(err)) from err
        if reason is not None:
            raise StepError(f"{name} is {rollout.put_back()}: {reason}")
        return f"at {gateway_address(self._cluster).format(host=wanted.hostname)}"

    def _wanted(self, name: str, address: str) -> Service:
        choices = Choices(name=name, namespace=self._namespace, artifact=folder_uri(address), **self._options.choices)
        return plan(self._cluster, choices)

    def _present(self, name: str) -> Service | None:
        found = self._cluster.get(*INFERENCE_SERVICE, name, self._namespace)
        hostname = hostname_of(self._cluster.get(*HTTP_ROUTE, name, self._namespace))
        return None if found is None else service_of(found, hostname or "")

    def _unready(self, service: Service) -> str | None:
        """Wait for a service, and return why it is not ready; None when it is."""
        ended = wait(self._cluster, service, self._options.wait, self._tell)
        return f"not ready within {self._options.wait:g} s: {ended.reason}" if ended.timed_out else ended.reason

    def _wrong(self, artifact: Artifact) -> str | None:
        """Return how one of the version's own pods answers otherwise than it must; None when it does not.

        It is asked through the API server, which is reached wherever a version can be deployed from. The Gateway's
        address may lead nowhere from there, or to something else.
        """
        name = artifact.manifest.name
        path = f"v2/models/{quote(name, safe='')}/infer"

        def send(body: bytes, attempts: int = _ATTEMPTS) -> tuple[int, bytes]:
            try:
                return self._cluster.post_to_pod(self._pod(name), self._namespace, _HTTP_PORT, path, json.loads(body))
            except ClusterError:
                if attempts == 1:
                    raise
            time.sleep(_PAUSE_SECONDS)
            return send(body, attempts - 1)

        wrong = wrong_answer(artifact, send)
        return None if wrong is None else f"{artifact.manifest.version} is not what was packed: {wrong}"

    def _pod(self, name: str) -> str:
        """Return a ready pod of the wanted version."""
        found = observe(self._cluster, self._namespace, name)
        ready = [str(pod["metadata"]["name"]) for each in found for pod in each.new_pods if is_ready(pod)]
        if not ready:
            raise ClusterError(f"{name} has no ready pod to be asked any more")
        return min(ready)

    def _put_back(self, name: str, wanted: Service, before: Service | None, former: str | None) -> str:
        """Let what served before serve again, and say what has become of the service."""
        if before is None and former is None:
            remove(self._cluster, find(self._cluster, self._namespace, name), self._tell)
            return "taken away again, since no version served before"
        back = before or wanted
        if back.artifact == wanted.artifact:
            # An interrupted run had brought it in already.
            if former is None:
                return "left as it is, since no version is known that could be put back"
            back = replace(back, artifact=folder_uri(former))
        back = replace(back, hostname=back.hostname or wanted.hostname)
        version = version_of(back.artifact)
        self._tell(f"putting {name} back to {version}")
        try:
            apply(self._cluster, back, force=True)
            reason = self._unready(back)
        except ClusterError as err:
            reason = str(err)
        return f"put back to {version}" + ("" if reason is None else f", which does not serve either ({reason})")
