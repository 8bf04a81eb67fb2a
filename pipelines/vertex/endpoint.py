# SPDX-License-Identifier: Apache-2.0
"""Endpoints: where a model's versions answer, each with its share of the traffic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from pipelines.errors import PipelineError
from pipelines.vertex.connection import SECONDS, Vertex, VertexError
from pipelines.vertex.model_registry import ModelVersion
from pipelines.vertex.names import check_service_account, endpoint_id
from pipelines.vertex.traffic import split_with

_CREATE_SECONDS: Final = 600.0
_UNDEPLOY_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Machines:
    """What a version is deployed on.

    Attributes:
        machine_type: Of Compute Engine.
        replicas: The fewest and the most machines.
        service_account: The account that the container runs as; None takes Vertex AI's own.
        seconds: After which a deployment that is not ready is given up.
    """

    machine_type: str = "n1-standard-2"
    replicas: tuple[int, int] = (1, 1)
    service_account: str | None = None
    seconds: float = 3600.0


def find_or_create(vertex: Vertex, name: str, labels: Mapping[str, str]) -> Any:
    """Return the endpoint of that name, made when it is missing; its id is made of its name.

    Raises:
        PipelineError: Vertex AI refuses.
    """
    resource = f"{vertex.parent}/endpoints/{endpoint_id(name)}"
    found = _find(vertex, resource)
    if found is not None:
        return found
    document = {
        "parent": vertex.parent,
        "endpointId": endpoint_id(name),
        "endpoint": {"displayName": name, "labels": dict(labels)},
    }
    message = vertex.message("CreateEndpointRequest", document)
    try:
        with vertex.told():
            operation = vertex.endpoints.create_endpoint(message, timeout=SECONDS)
        vertex.wait(operation, "Endpoint", _CREATE_SECONDS)
    except VertexError as err:
        if err.code != HTTPStatus.CONFLICT:
            raise
        # Another run has made it in the meantime.
    return _get(vertex, resource)


def deploy_version(
    vertex: Vertex,
    endpoint: str,
    version: ModelVersion,
    *,
    display_name: str,
    percent: int,
    machines: Machines,
    wrong: Callable[[str], str | None],
) -> str:
    """Deploy a version with a share of the traffic, ask it, and undeploy what has no traffic any more.

    Where that fails, the former split is put back and the version undeployed again.

    Args:
        vertex: Where.
        endpoint: The endpoint's resource name.
        version: The version; where it is deployed there already, only its traffic changes.
        display_name: What the console calls it there.
        percent: Its share of the traffic; all of it where nothing else has any.
        machines: What it is deployed on.
        wrong: Asks the deployed model of that id, and returns how it answers otherwise than it must; None where it
            answers right.

    Returns:
        The id of the deployed model.

    Raises:
        PipelineError: It does not serve; the text says why, and what serves instead.
    """
    before = _get(vertex, endpoint)
    former = dict(before.traffic_split)
    there = [one.id for one in before.deployed_models if _is_version(one, version)]
    try:
        if there:
            deployed: str = there[0]
            _set_split(vertex, endpoint, split_with(percent, former, deployed))
        else:
            share = _Share(version, display_name, split_with(percent, former))
            deployed = _deploy(vertex, endpoint, share, machines)
        reason = wrong(deployed)
    except PipelineError as err:
        reason = str(err)
    if reason is not None:
        told = _put_back(vertex, endpoint, version, former, keep=there)
        raise PipelineError(f"{display_name} does not serve: {reason}; {told}")
    after = _get(vertex, endpoint)
    for one in after.deployed_models:
        if not after.traffic_split.get(one.id):
            _undeploy(vertex, endpoint, one.id)
    return str(deployed)


class _Share(NamedTuple):
    """A version with the split of the traffic that it is deployed with."""

    version: ModelVersion
    display_name: str
    split: Mapping[str, int]


def _deploy(vertex: Vertex, endpoint: str, share: _Share, machines: Machines) -> str:
    least, most = machines.replicas
    deployed: dict[str, Any] = {
        "model": share.version.resource,
        "displayName": share.display_name,
        "dedicatedResources": {
            "machineSpec": {"machineType": machines.machine_type},
            "minReplicaCount": least,
            "maxReplicaCount": most,
        },
    }
    if machines.service_account is not None:
        deployed["serviceAccount"] = check_service_account(machines.service_account)
    document = {"endpoint": endpoint, "deployedModel": deployed, "trafficSplit": dict(share.split)}
    message = vertex.message("DeployModelRequest", document)
    with vertex.told():
        operation = vertex.endpoints.deploy_model(message, timeout=SECONDS)
    return str(vertex.wait(operation, "DeployModelResponse", machines.seconds).deployed_model.id)


def _put_back(vertex: Vertex, endpoint: str, version: ModelVersion, former: Mapping[str, int], keep: list[str]) -> str:
    """Let what served before serve again, and say so, or why not."""
    try:
        now = _get(vertex, endpoint)
        if dict(now.traffic_split) != former:
            _set_split(vertex, endpoint, former)
        for one in now.deployed_models:
            if _is_version(one, version) and one.id not in keep:
                _undeploy(vertex, endpoint, one.id)
    except PipelineError as err:
        return f"and the former split of the traffic cannot be put back ({err}): see to {endpoint}"
    return "the former split of the traffic holds again" if former else "nothing serves at the endpoint, as before"


def _set_split(vertex: Vertex, endpoint: str, split: Mapping[str, int]) -> None:
    document = {"endpoint": {"name": endpoint, "trafficSplit": dict(split)}, "updateMask": "trafficSplit"}
    message = vertex.message("UpdateEndpointRequest", document)
    with vertex.told():
        vertex.endpoints.update_endpoint(message, timeout=SECONDS)


def _undeploy(vertex: Vertex, endpoint: str, deployed: str) -> None:
    with vertex.told():
        operation = vertex.endpoints.undeploy_model(
            {"endpoint": endpoint, "deployed_model_id": deployed}, timeout=SECONDS
        )
    vertex.wait(operation, "UndeployModelResponse", _UNDEPLOY_SECONDS)


def _find(vertex: Vertex, resource: str) -> Any | None:
    try:
        return _get(vertex, resource)
    except VertexError as err:
        if err.code == HTTPStatus.NOT_FOUND:
            return None
        raise


def _get(vertex: Vertex, resource: str) -> Any:
    with vertex.told():
        return vertex.endpoints.get_endpoint({"name": resource}, timeout=SECONDS)


def _is_version(deployed: Any, version: ModelVersion) -> bool:
    model, _, named = deployed.model.partition("@")
    return bool(model == version.model and (deployed.model_version_id or named) == version.version_id)
