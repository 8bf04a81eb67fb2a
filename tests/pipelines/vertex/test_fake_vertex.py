# SPDX-License-Identifier: Apache-2.0
"""The stand-in itself: it refuses, in Google's format, what the service refuses and our code never sends."""

import copy
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.pipelines.vertex.fake_vertex import PARENT, FakeVertex

JOBS = "pipelineJobs?pipelineJobId="
_SPEC = {
    "pipelineInfo": {"name": "spam"},
    "schemaVersion": "2.1.0",
    "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"seed": {"parameterType": "NUMBER_INTEGER"}}}},
}
JOB = {
    "displayName": "spam",
    "pipelineSpec": _SPEC,
    "runtimeConfig": {"gcsOutputDirectory": "gs://models", "parameterValues": {"seed": 1.0}},
}
SCHEDULE = {
    "displayName": "spam",
    "cron": "TZ=UTC 0 3 * * 1",
    "maxConcurrentRunCount": "1",
    "createPipelineJobRequest": {"parent": PARENT, "pipelineJob": JOB},
}
MODEL = {
    "displayName": "spam",
    "artifactUri": "gs://models/spam/1.0.0",
    "versionAliases": ["v1-0-0"],
    "containerSpec": {
        "imageUri": "europe-west4-docker.pkg.dev/p/r/portside",
        "predictRoute": "/p",
        "healthRoute": "/h",
    },
}


def post(vertex: FakeVertex, path: str, document: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps(document).encode()
    try:
        with urlopen(Request(f"{vertex.url}/v1/{path}", data=body), timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as err:
        return err.code, json.loads(err.read())


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = made
    for parent in parents:
        place = place[parent]
    place[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "document", "told"),
    [
        (f"{JOBS}Spam", JOB, 'PipelineJob ID "Spam" must match'),
        (f"{JOBS}a", changed(JOB, "displayname", "x"), "Invalid JSON payload"),
        (f"{JOBS}a", changed(JOB, "labels", {"A": "b"}), "Invalid label A=b."),
        (f"{JOBS}a", changed(JOB, "pipelineSpec.tasks", {}), "Failed to parse the pipeline spec"),
        (
            "pipelineJobs?pipelineJobId=a",
            changed(JOB, "runtimeConfig.parameterValues", {}),
            "parameter .seed. is missing",
        ),
        (
            "pipelineJobs?pipelineJobId=a",
            changed(JOB, "runtimeConfig.parameterValues.seed", "1"),
            "not of type NUMBER_INT",
        ),
        (f"{JOBS}a", changed(JOB, "runtimeConfig.gcsOutputDirectory", "s3://a"), "must be a Cloud"),
        ("schedules", changed(SCHEDULE, "cron", "TZ=UTC 0 3 * *"), "Invalid cron expression."),
        ("schedules", changed(SCHEDULE, "cron", "TZ=Mars 0 3 * * *"), 'Invalid time zone "Mars".'),
        ("schedules", changed(SCHEDULE, "maxConcurrentRunCount", "0"), "max_concurrent_run_count must be at least 1."),
        ("models:upload", {"modelId": "9", "model": MODEL}, 'Model ID "9" must match'),
        ("models:upload", {"model": MODEL}, "Exactly one of model_id and parent_model must be given."),
        ("models:upload", {"modelId": "a", "model": changed(MODEL, "versionAliases", ["1.0.0"])}, 'alias "1.0.0" must'),
        (
            "models:upload",
            {"modelId": "a", "model": changed(MODEL, "containerSpec.imageUri", "a:1")},
            "Artifact Registry",
        ),
        ("endpoints?endpointId=-a", {"displayName": "a"}, 'Endpoint ID "-a" must match'),
        ("endpoints?endpointId=a", {}, "Required field display_name"),
    ],
)
def test_it_refuses_what_the_service_refuses(vertex: FakeVertex, path: str, document: Any, told: str) -> None:
    status, answer = post(vertex, f"{PARENT}/{path}", document)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert told.replace(".seed.", '"seed"') in answer["error"]["message"]


def test_it_takes_what_the_service_takes(vertex: FakeVertex) -> None:
    assert post(vertex, f"{PARENT}/pipelineJobs?pipelineJobId=a", JOB)[0] == 200
    assert post(vertex, f"{PARENT}/schedules", SCHEDULE)[0] == 200


@pytest.mark.parametrize("split", [{"0": 90}, {"0": 90, "7": 10}, {"0": 101, "1": -1}])
def test_it_refuses_a_split_that_makes_no_hundred_of_what_is_there(vertex: FakeVertex, split: dict[str, int]) -> None:
    vertex.endpoints[f"{PARENT}/endpoints/a"] = {"deployedModels": [], "trafficSplit": {}}
    vertex.versions["m"] = [{"versionId": "1", "versionAliases": []}]
    machines = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 1}
    deployed = {"model": f"{PARENT}/models/m@1", "dedicatedResources": machines}
    status, _ = post(vertex, f"{PARENT}/endpoints/a:deployModel", {"deployedModel": deployed, "trafficSplit": split})
    assert status == 400


def test_it_knows_no_paths_but_the_documented_ones(vertex: FakeVertex) -> None:
    status, answer = post(vertex, f"{PARENT}/models", MODEL)
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")
