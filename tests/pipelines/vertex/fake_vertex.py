# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Vertex AI's HTTP API: a real server that checks requests as strictly as the service does."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format  # type: ignore[import-untyped]

from predictors.errors import PredictorError
from predictors.loading import LoadPolicy, load
from predictors.vertex.instances import InstanceReader
from predictors.vertex.predictions import PredictionWriter
from tests.pipelines.vertex import rules
from tests.pipelines.vertex.rules import Refusal, need

PROJECT, REGION = "my-project", "europe-west4"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
_TYPE = "type.googleapis.com/google.cloud.aiplatform.v1"
_PATH = re.compile(r"/v1/(?P<name>projects/[^:]+?)(:(?P<verb>[A-Za-z]+))?")


@dataclass
class FakeVertex:
    """One project and region.

    Attributes:
        url: Where it answers.
        jobs: Pipeline jobs by their ids.
        schedules: By resource name.
        versions: Of each model's id: its versions in order.
        endpoints: By resource name.
        buckets: Of a gs:// folder: where this machine has what it holds.
        refusals: What the next request of such a verb or collection is refused with, once.
        failures: What the next such operation fails with, once: a code of google.rpc and a message.
        races: Whether each endpoint is made by another client a moment before.
        polls: How often an operation is looked at before it is done.
        calls: What was asked: methods and paths.
        authorizations: The credentials that came.
    """

    url: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    buckets: dict[str, Path] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)
    races: bool = False
    polls: int = 0
    calls: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    _operations: dict[str, list[Any]] = field(default_factory=dict)
    _containers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    _asked: int = 0

    def answer(self, method: str, url: str, document: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; Refusal when the service would refuse it."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items() if not name.startswith("$")}
        match = _PATH.fullmatch(unquote(parts.path))
        if match is None:
            raise Refusal(404, f"Method not found: {parts.path}")
        name, verb = match["name"], match["verb"] or ""
        if not (name == PARENT or name.startswith(f"{PARENT}/")):
            raise Refusal(403, f"Permission denied on resource '{name}' (or it may not exist).")
        rest = name.removeprefix(PARENT).strip("/").split("/")
        collection = "operations" if "operations" in rest else rest[0]
        self.calls.append(f"{method} {collection}{':' if verb else ''}{verb}")
        for key in (verb, collection):
            if key in self.refusals:
                raise self.refusals.pop(key)
        if collection == "operations":
            return self._operation(method, name, verb)
        handler = _HANDLERS.get((method, collection, verb, len(rest)))
        if handler is None:
            raise Refusal(404, f"Method not found: {method} {parts.path}")
        return handler(self, name, document, query)

    def _begin(
        self, kind: str, response: Mapping[str, Any], finish: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        """Return a long-running operation, which does its work when it is looked at often enough."""
        owner = {"upload": "/models/1", "deploy": "/endpoints/1", "undeploy": "/endpoints/1"}.get(kind, "")
        name = f"{PARENT}{owner}/operations/{len(self._operations) + 1}"
        self._operations[name] = [self.polls, self.failures.pop(kind, None), response, finish]
        return {"name": name, "done": False}

    def _operation(self, method: str, name: str, verb: str) -> dict[str, Any]:
        operation = self._operations.get(name)
        if operation is None:
            raise Refusal(404, f"Operation {name} not found.")
        if method == "POST" and verb == "cancel":
            operation[:2] = [0, (1, "The operation was cancelled.")]
            return {}
        polls, failure, response, finish = operation
        if polls:
            operation[0] -= 1
            return {"name": name, "done": False}
        operation[3] = lambda: None
        if failure is None:
            try:
                finish()
            except Refusal as err:
                failure = operation[1] = (9, str(err))
        if failure is not None:
            return {"name": name, "done": True, "error": {"code": failure[0], "message": failure[1]}}
        return {"name": name, "done": True, "response": response}

    # Pipelines

    def create_job(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        job_id = query.get("pipelineJobId", "")
        rules.check_job_id(job_id)
        rules.check_job(document)
        if job_id in self.jobs:
            raise Refusal(409, f"PipelineJob {job_id} already exists.")
        self.jobs[job_id] = document
        return {**document, "name": f"{name}/{job_id}", "state": "PIPELINE_STATE_PENDING"}

    def create_schedule(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        rules.check_schedule(document, PARENT)
        made = {**document, "name": f"{name}/{1000 + len(self.calls)}", "state": "ACTIVE"}
        self.schedules[made["name"]] = made
        return made

    def list_schedules(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        match = re.fullmatch(r'display_name="([^"]*)"', query.get("filter", ""))
        need(match, "Invalid filter.")
        assert match is not None
        found = [one for one in self.schedules.values() if one["displayName"] == match[1]]
        start = int(query.get("pageToken", 0))  # a page holds one, so that who reads the first page only is found out
        more = {"nextPageToken": str(start + 1)} if start + 1 < len(found) else {}
        return {"schedules": found[start : start + 1], **more}

    def delete_schedule(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        if name not in self.schedules:
            raise Refusal(404, f"Schedule {name} not found.")
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return self._begin("delete", empty, lambda: self.schedules.pop(name))

    # The model registry

    def upload(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        rules.parsed("UploadModelRequest", document)
        model, parent = document.get("model", {}), document.get("parentModel", "")
        rules.check_model(model)
        need(bool(parent) != bool(document.get("modelId")), "Exactly one of model_id and parent_model must be given.")
        model_id = parent.rpartition("/")[2] if parent else document["modelId"]
        rules.check_model_id(model_id)
        versions = self.versions.get(model_id, [])
        if parent and not versions:
            raise Refusal(404, f"The Model {parent} does not exist.")
        if not parent and versions:
            raise Refusal(409, f"Model {model_id} already exists.")
        need(model["artifactUri"] in self.buckets, f"There are no files under {model['artifactUri']}.")
        aliases = model.get("versionAliases", [])
        self._check_free(versions, aliases, None)
        number = str(len(versions) + 1)
        resource = f"{PARENT}/models/{model_id}"
        made = {**model, "name": f"{resource}@{number}", "versionId": number, "versionAliases": list(aliases)}

        def commit() -> None:
            self.versions.setdefault(model_id, []).append(made)
            if "default" in aliases or number == "1":
                self._make_default(model_id, made)

        response = {"@type": f"{_TYPE}.UploadModelResponse", "model": resource, "modelVersionId": number}
        return self._begin("upload", response, commit)

    def list_versions(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        versions = self.versions.get(name.rpartition("/")[2])
        if not versions:
            raise Refusal(404, f"The Model {name} does not exist.")
        start = int(query.get("pageToken", 0))
        more = {"nextPageToken": str(start + 1)} if start + 1 < len(versions) else {}
        hidden = {"containerSpec"}  # input only
        told = [{key: value for key, value in one.items() if key not in hidden} for one in versions]
        return {"models": told[start : start + 1], **more}

    def merge_aliases(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        rules.parsed("MergeVersionAliasesRequest", document)
        model_id, version = self._version(name)
        given = document.get("versionAliases", [])
        need(given, "Required field version_aliases is missing.")
        added = [alias for alias in given if not alias.startswith("-")]
        removed = [alias[1:] for alias in given if alias.startswith("-")]
        rules.check_aliases([*added, *removed])
        need("default" not in removed, "The default alias cannot be removed.")
        need(set(removed) <= set(version["versionAliases"]), "The version has no such alias.")
        self._check_free(self.versions[model_id], added, version)
        version["versionAliases"] = sorted({*version["versionAliases"], *added} - {*removed})
        if "default" in added:
            self._make_default(model_id, version)
        return version

    def _check_free(self, versions: list[dict[str, Any]], aliases: list[str], own: dict[str, Any] | None) -> None:
        held = {alias for one in versions if one is not own for alias in one["versionAliases"]} - {"default"}
        need(not held.intersection(aliases), f"A version alias of {aliases} is in use by another version.")

    def _make_default(self, model_id: str, version: dict[str, Any]) -> None:
        for one in self.versions[model_id]:
            one["versionAliases"] = [alias for alias in one["versionAliases"] if alias != "default"]
        version["versionAliases"].append("default")

    def _version(self, resource: str) -> tuple[str, dict[str, Any]]:
        model_id, _, number = resource.rpartition("/")[2].partition("@")
        need(number.isdecimal(), "The name must have a version ID.")
        for version in self.versions.get(model_id, []):
            if version["versionId"] == number:
                return model_id, version
        raise Refusal(404, f"The Model {resource} does not exist.")

    # Endpoints

    def create_endpoint(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        endpoint_id = query.get("endpointId", "")
        rules.check_endpoint(endpoint_id, document)
        resource = f"{name}/{endpoint_id}"
        if resource in self.endpoints:
            raise Refusal(409, f"Endpoint {resource} already exists.")
        made = {**document, "name": resource, "deployedModels": [], "trafficSplit": {}}
        if self.races:
            self.endpoints[resource] = made
            raise Refusal(409, f"Endpoint {resource} already exists.")
        return self._begin(
            "create", {"@type": f"{_TYPE}.Endpoint", "name": resource}, lambda: self.endpoints.update({resource: made})
        )

    def get_endpoint(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        if name not in self.endpoints:
            raise Refusal(404, f"Endpoint {name} is not found.")
        return self.endpoints[name]

    def update_endpoint(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        endpoint = self.get_endpoint(name, {}, {})
        rules.parsed("Endpoint", document)
        need(query.get("updateMask") == "trafficSplit", "Invalid update mask.")
        split = document.get("trafficSplit", {})
        rules.check_split(split, {one["id"] for one in endpoint["deployedModels"]})
        endpoint["trafficSplit"] = split
        return endpoint

    def deploy(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        endpoint = self.get_endpoint(name, {}, {})
        rules.parsed("DeployModelRequest", document)
        deployed, split = document.get("deployedModel", {}), document.get("trafficSplit", {})
        rules.check_deployed_model(deployed)
        _, version = self._version(deployed["model"])
        rules.check_split(split, {"0", *(one["id"] for one in endpoint["deployedModels"])})
        own = str(7000 + len(self._operations))
        model = deployed["model"].partition("@")[0]
        made = {**deployed, "id": own, "model": model, "modelVersionId": version["versionId"]}

        def start() -> None:
            self._containers[own] = _container(self.buckets[version["artifactUri"]])
            endpoint["deployedModels"].append(made)
            endpoint["trafficSplit"] = {own if one == "0" else one: share for one, share in split.items()}

        return self._begin("deploy", {"@type": f"{_TYPE}.DeployModelResponse", "deployedModel": made}, start)

    def undeploy(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        endpoint = self.get_endpoint(name, {}, {})
        rules.parsed("UndeployModelRequest", document)
        own = document.get("deployedModelId")
        need(own in {one["id"] for one in endpoint["deployedModels"]}, f"DeployedModel {own} is not found.")
        split = document.get("trafficSplit", endpoint["trafficSplit"])
        need(not split.get(own), "A DeployedModel with traffic cannot be undeployed.")

        def stop() -> None:
            endpoint["deployedModels"] = [one for one in endpoint["deployedModels"] if one["id"] != own]
            endpoint["trafficSplit"] = {one: share for one, share in split.items() if one != own}

        return self._begin("undeploy", {"@type": f"{_TYPE}.UndeployModelResponse"}, stop)

    def predict(self, name: str, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        endpoint = self.get_endpoint(name, {}, {})
        request = types.PredictRequest.pb(types.PredictRequest())
        rules.parsed("PredictRequest", document)
        # On the way through the service all numbers become floats.
        sent = json_format.MessageToDict(json_format.ParseDict(document, request))
        lots = [own for own, share in sorted(endpoint["trafficSplit"].items()) for _ in range(share)]
        if not lots:
            raise Refusal(400, "The endpoint has no deployed model with traffic.")
        self._asked += 37
        own = lots[self._asked % len(lots)]
        body = {key: sent[key] for key in ("instances", "parameters") if key in sent}
        return {**self._containers[own](body), "deployedModelId": own}


def _container(folder: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what answers as the serving image does; it does not start where the artifact does not load."""
    try:
        model = load(folder, LoadPolicy(allow_pickle=True))
    except PredictorError as err:
        raise Refusal(400, f"Model server never became ready. Logs: {err}") from err
    reader, writer = InstanceReader(model.signature, model.reader), PredictionWriter(model.signature)

    def predict(document: Mapping[str, Any]) -> dict[str, Any]:
        try:
            request = reader.read(json.dumps(document).encode())
            answer: dict[str, Any] = json.loads(writer.write(request.rows, model.predict(request.inputs)))
        except PredictorError as err:
            raise Refusal(int(err.status), json.dumps({"error": str(err)})) from err
        return answer

    return predict


_HANDLERS: dict[tuple[str, str, str, int], Callable[..., dict[str, Any]]] = {
    ("POST", "pipelineJobs", "", 1): FakeVertex.create_job,
    ("POST", "schedules", "", 1): FakeVertex.create_schedule,
    ("GET", "schedules", "", 1): FakeVertex.list_schedules,
    ("DELETE", "schedules", "", 2): FakeVertex.delete_schedule,
    ("POST", "models", "upload", 1): FakeVertex.upload,
    ("GET", "models", "listVersions", 2): FakeVertex.list_versions,
    ("POST", "models", "mergeVersionAliases", 2): FakeVertex.merge_aliases,
    ("POST", "endpoints", "", 1): FakeVertex.create_endpoint,
    ("GET", "endpoints", "", 2): FakeVertex.get_endpoint,
    ("PATCH", "endpoints", "", 2): FakeVertex.update_endpoint,
    ("POST", "endpoints", "deployModel", 2): FakeVertex.deploy,
    ("POST", "endpoints", "undeployModel", 2): FakeVertex.undeploy,
    ("POST", "endpoints", "predict", 2): FakeVertex.predict,
}


@contextmanager
def fake_vertex() -> Iterator[FakeVertex]:
    """Serve one on a free port until the block ends."""
    fake = FakeVertex()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.authorizations.append(self.headers.get("Authorization"))
            try:
                code, document = 200, fake.answer(self.command, self.path, json.loads(body or b"{}"))
            except Refusal as err:
                code, document = err.code, err.body()
            content = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 (http.server's names)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
