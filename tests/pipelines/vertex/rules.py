# SPDX-License-Identifier: Apache-2.0
"""What Vertex AI refuses, by its reference: https://cloud.google.com/vertex-ai/docs/reference/rest."""

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format  # type: ignore[import-untyped]
from kfp.pipeline_spec import pipeline_spec_pb2

ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
_GCS = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?")
_IMAGE = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev/[^/]+/[^/]+/.+")
_NETWORK = re.compile(r"projects/[0-9]+/global/networks/[a-z0-9-]+")
_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CRON_FIELD = re.compile(r"(\*|[0-9]+(-[0-9]+)?|[A-Za-z]{3}(-[A-Za-z]{3})?)(/[0-9]+)?")
_MACHINE = re.compile(r"[a-z][a-z0-9]*-[a-z]+-[0-9]+")
_OF_TYPE = {
    "STRING": lambda value: type(value) is str,
    "NUMBER_INTEGER": lambda value: type(value) in {int, float} and float(value).is_integer(),
    "NUMBER_DOUBLE": lambda value: type(value) in {int, float},
    "BOOLEAN": lambda value: type(value) is bool,
    "LIST": lambda value: type(value) is list,
    "STRUCT": lambda value: type(value) is dict,
}
_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}


class Refusal(Exception):  # noqa: N818 (what it is)
    """An answer in Google's format of errors."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def body(self) -> dict[str, Any]:
        status = _STATUSES.get(self.code, "UNKNOWN")
        return {"error": {"code": self.code, "message": str(self), "status": status, "details": []}}


def need(holds: object, message: str) -> None:
    if not holds:
        raise Refusal(400, message)


def parsed(kind: str, document: Mapping[str, Any]) -> None:
    """Refuse fields and values that the API's own messages do not have."""
    message = getattr(types, kind)
    try:
        json_format.ParseDict(document, message.pb(message()))
    except json_format.ParseError as err:
        raise Refusal(400, f"Invalid JSON payload received. {err}") from err


def check_labels(labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        need(_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value), f"Invalid label {key}={value}.")


def check_display_name(document: Mapping[str, Any]) -> None:
    need(1 <= len(document.get("displayName", "")) <= 128, "Required field display_name must have 1 to 128 characters.")


def check_job_id(job_id: str) -> None:
    need(_JOB_ID.fullmatch(job_id), f'PipelineJob ID "{job_id}" must match {_JOB_ID.pattern}.')


def check_job(document: Mapping[str, Any]) -> None:
    parsed("PipelineJob", document)
    check_display_name(document)
    check_labels(document.get("labels", {}))
    need(_ACCOUNT.fullmatch(document.get("serviceAccount", "a@b.gserviceaccount.com")), "Invalid service account.")
    need(_NETWORK.fullmatch(document.get("network", "projects/1/global/networks/a")), "Invalid network.")
    spec, runtime = document.get("pipelineSpec"), document.get("runtimeConfig", {})
    need(spec, "Required field pipeline_spec is missing.")
    assert spec is not None
    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as err:
        raise Refusal(400, f"Failed to parse the pipeline spec. {err}") from err
    need(_PIPELINE_NAME.fullmatch(spec["pipelineInfo"]["name"]), "Invalid pipeline name.")
    need(spec["schemaVersion"] == "2.1.0", "Unsupported schema version.")
    need(_GCS.fullmatch(runtime.get("gcsOutputDirectory", "")), "gcs_output_directory must be a Cloud Storage path.")
    _check_parameters(
        spec["root"].get("inputDefinitions", {}).get("parameters", {}), runtime.get("parameterValues", {})
    )


def _check_parameters(declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        need(name in declared, f'The pipeline parameter "{name}" is not found in the pipeline job input definitions.')
        kind = declared[name]["parameterType"]
        need(_OF_TYPE[kind](value), f'The value of parameter "{name}" is not of type {kind}.')
    for name, declaration in declared.items():
        has_value = name in given or "defaultValue" in declaration or declaration.get("isOptional")
        need(has_value, f'The pipeline parameter "{name}" is missing.')


def check_schedule(document: Mapping[str, Any], parent: str) -> None:
    parsed("Schedule", document)
    check_display_name(document)
    need(int(document.get("maxConcurrentRunCount", 0)) >= 1, "max_concurrent_run_count must be at least 1.")
    zone, _, fields = document.get("cron", "").rpartition("TZ=")[2].partition(" ")
    need("TZ=" in document.get("cron", "") and zone in available_timezones(), f'Invalid time zone "{zone}".')
    parts = [part for field in fields.split(" ") for part in field.split(",")]
    need(len(fields.split(" ")) == 5 and all(map(_CRON_FIELD.fullmatch, parts)), "Invalid cron expression.")
    request = document.get("createPipelineJobRequest", {})
    need(request.get("parent") == parent, "create_pipeline_job_request.parent must be the schedule's own.")
    check_job(request.get("pipelineJob", {}))


def check_aliases(aliases: list[str]) -> None:
    for alias in aliases:
        need(ALIAS.fullmatch(alias), f'Version alias "{alias}" must match {ALIAS.pattern}.')
    need(len(set(aliases)) == len(aliases), "Version aliases must be unique.")


def check_model(document: Mapping[str, Any]) -> None:
    parsed("Model", document)
    check_display_name(document)
    check_labels(document.get("labels", {}))
    check_aliases(document.get("versionAliases", []))
    need(_GCS.fullmatch(document.get("artifactUri", "")), "artifact_uri must be a Cloud Storage path.")
    container = document.get("containerSpec", {})
    need(_IMAGE.fullmatch(container.get("imageUri", "")), "image_uri must be an image in Artifact Registry.")
    for route in ("predictRoute", "healthRoute"):
        need(container.get(route, "/").startswith("/"), f"{route} must begin with /.")
    need(all(_ENV_NAME.fullmatch(variable["name"]) for variable in container.get("env", [])), "Invalid env name.")


def check_model_id(model_id: str) -> None:
    need(_MODEL_ID.fullmatch(model_id), f'Model ID "{model_id}" must match {_MODEL_ID.pattern}.')


def check_endpoint(endpoint_id: str, document: Mapping[str, Any]) -> None:
    parsed("Endpoint", document)
    need(_ENDPOINT_ID.fullmatch(endpoint_id), f'Endpoint ID "{endpoint_id}" must match {_ENDPOINT_ID.pattern}.')
    check_display_name(document)
    check_labels(document.get("labels", {}))


def check_deployed_model(document: Mapping[str, Any]) -> None:
    parsed("DeployedModel", document)
    resources = document.get("dedicatedResources")
    need(resources, "Required field dedicated_resources is missing.")
    assert resources is not None
    need(_MACHINE.fullmatch(resources.get("machineSpec", {}).get("machineType", "")), "Invalid machine type.")
    least, most = resources.get("minReplicaCount", 0), resources.get("maxReplicaCount", 0)
    need(1 <= least <= most, "min_replica_count must be at least 1 and at most max_replica_count.")
    need(_ACCOUNT.fullmatch(document.get("serviceAccount", "a@b.gserviceaccount.com")), "Invalid service account.")


def check_split(split: Mapping[str, int], known: set[str]) -> None:
    need(set(split) <= known, "traffic_split names a deployed model that is not there.")
    need(all(0 <= share <= 100 for share in split.values()), "A share of the traffic must be 0 to 100.")
    need(not split or sum(split.values()) == 100, "The traffic percentage values must add up to 100.")
