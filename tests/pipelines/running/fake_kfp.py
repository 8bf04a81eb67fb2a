# SPDX-License-Identifier: Apache-2.0
"""The REST API of Kubeflow Pipelines 2 (v2beta1), as far as runs and recurring runs need it, and as strict as it is."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from google.protobuf import json_format  # type: ignore[import-untyped]
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

_NUMBER: Final = r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?"
#: Of second, minute, hour, day, month, day of the week: the least and the greatest number.
_CRON: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_RUN: Final = {"experiment_id", "display_name", "description", "pipeline_spec", "runtime_config", "service_account"}
_RECURRING: Final = _RUN | {"mode", "trigger", "max_concurrency", "no_catchup"}
#: Of a parameter's type: what JSON may hold for it.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class FakeKubeflow:
    """What it holds, for tests to look at and to change.

    Attributes:
        url: Where it answers.
        token: Who comes without it is refused; None lets everybody in.
        namespaces: The profiles; empty where there is one user only.
        page_size: The most entries in a page, whatever a client asks for.
        unwilling: Refuses what is to be created, with this message.
        experiments: By id.
        runs: By id.
        recurring_runs: By id.
    """

    url: str = ""
    token: str | None = None
    namespaces: set[str] = field(default_factory=set)
    page_size: int = 2
    unwilling: str = ""
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring_runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any, authorization: str) -> dict[str, Any]:
        if self.token is not None and authorization != f"Bearer {self.token}":
            raise RefusedError(401, "Request header error: there is no user identity")
        match = re.fullmatch(r"/apis/v2beta1/(healthz|experiments|runs|recurringruns)(?:/([0-9a-f-]{36}))?", path)
        if match is None:
            raise RefusedError(404, "Not Found")
        kind, identity = match.groups()
        with self.lock:
            if (method, kind) == ("GET", "healthz"):
                return {"multi_user": bool(self.namespaces), "pipeline_store": "database"}
            held = {"experiments": self.experiments, "runs": self.runs, "recurringruns": self.recurring_runs}[kind]
            if method == "POST" and identity is None:
                made = {"experiments": self._experiment, "runs": self._run, "recurringruns": self._recurring_run}[kind]
                return made(body)
            if method == "GET" and identity is None:
                return self._page({"recurringruns": "recurringRuns"}.get(kind, kind), list(held.values()), query)
            if identity not in held:
                raise RefusedError(404, f"{kind} {identity} not found")
            if method == "DELETE" and kind == "recurringruns":
                del held[identity]
                return {}
            if method == "GET":
                return held[identity]
        raise RefusedError(405, "Method Not Allowed")

    def _experiment(self, body: Any) -> dict[str, Any]:
        self._check_fields(body, {"display_name", "description", "namespace"})
        self._check_namespace(body.get("namespace", ""))
        made = {"experiment_id": str(uuid4()), "created_at": _now(), "storage_state": "AVAILABLE", **body}
        self.experiments[made["experiment_id"]] = made
        return made

    def _run(self, body: Any) -> dict[str, Any]:
        self._check_fields(body, _RUN)
        self._check_work(body)
        made = {"run_id": str(uuid4()), "created_at": _now(), "state": "PENDING", "storage_state": "AVAILABLE", **body}
        self.runs[made["run_id"]] = made
        return made

    def _recurring_run(self, body: Any) -> dict[str, Any]:
        self._check_fields(body, _RECURRING)
        self._check_work(body)
        trigger = body.get("trigger", {})
        if set(trigger) != {"cron_schedule"} or set(trigger["cron_schedule"]) != {"cron"}:
            raise RefusedError(400, "Invalid trigger: a cron_schedule with a cron is expected")
        _check_cron(trigger["cron_schedule"]["cron"])
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusedError(400, "The max concurrency of the recurring run must be in range [1, 10]")
        if body.get("mode") not in ("ENABLE", "DISABLE"):
            raise RefusedError(400, "Invalid mode")
        made = {"recurring_run_id": str(uuid4()), "created_at": _now(), "status": "ENABLED", **body}
        self.recurring_runs[made["recurring_run_id"]] = made
        return made

    def _check_fields(self, body: Any, known: set[str]) -> None:
        if not isinstance(body, dict):
            raise RefusedError(400, "the body is no JSON object")
        if unknown := set(body) - known:
            raise RefusedError(400, f"unknown field {sorted(unknown)}")
        if not body.get("display_name"):
            raise RefusedError(400, "display_name is empty")
        if self.unwilling:
            raise RefusedError(400, self.unwilling)

    def _check_namespace(self, namespace: str) -> None:
        if self.namespaces and not namespace:
            raise RefusedError(400, "Invalid input error: a namespace is required in multi-user mode")
        if namespace and namespace not in self.namespaces:
            raise RefusedError(403, f"User is not authorized to use namespace {namespace}")

    def _check_work(self, body: dict[str, Any]) -> None:
        if body.get("experiment_id") not in self.experiments:
            raise RefusedError(404, f"Experiment {body.get('experiment_id')} not found")
        if not isinstance(body.get("service_account", ""), str):
            raise RefusedError(400, "service_account is no string")
        document = body["pipeline_spec"]
        pipeline = document.get("pipeline_spec", document)
        try:
            spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
            if "pipeline_spec" in document:
                _check_platform(document.get("platform_spec", {}), spec)
        except json_format.ParseError as err:
            raise RefusedError(400, f"Invalid pipeline spec: {err}") from err
        if set(body.get("runtime_config", {})) - {"parameters", "pipeline_root"}:
            raise RefusedError(400, "Invalid runtime_config")
        _check_parameters(body["runtime_config"].get("parameters", {}), spec.root.input_definitions.parameters)

    def _page(self, name: str, held: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
        if "experiment_id" in query:
            held = [each for each in held if each["experiment_id"] == query["experiment_id"]]
        else:
            self._check_namespace(query.get("namespace", ""))
        for predicate in json.loads(query.get("filter", "{}")).get("predicates", ()):
            if predicate["operation"] not in (1, "EQUALS") or predicate["key"] != "display_name":
                raise RefusedError(400, "this filter is not known")
            held = [each for each in held if each["display_name"] == predicate["stringValue"]]
        start, size = int(query.get("page_token") or 0), min(self.page_size, int(query.get("page_size") or 20))
        more = {"next_page_token": str(start + size)} if start + size < len(held) else {}
        return {name: held[start : start + size], "total_size": len(held), **more} if held else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _check_cron(cron: str) -> None:
    """Take what robfig's parser takes: six fields, the first one seconds, the last one from 0 to 6."""
    fields = cron.split(" ")
    if len(fields) != len(_CRON):
        raise RefusedError(400, f"Schedule cron is not supported: expected 6 fields, found {len(fields)}: {cron}")
    for text, (least, most) in zip(fields, _CRON, strict=True):
        if not re.fullmatch(rf"{_NUMBER}(?:,{_NUMBER})*", text):
            raise RefusedError(400, f"Schedule cron is not supported: failed to parse {text}")
        numbers = [int(number) for number in re.findall(r"(?<![/\d])\d+", text)]
        if any(not least <= number <= most for number in numbers):
            raise RefusedError(400, f"Schedule cron is not supported: {text} is out of range")


def _check_platform(platform: Any, spec: Any) -> None:
    parsed = json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    if set(parsed.platforms) != {"kubernetes"}:
        raise RefusedError(400, "Invalid platform spec: kubernetes is expected")
    known = json_format.MessageToDict(spec.deployment_spec)["executors"]
    for name, config in parsed.platforms["kubernetes"].deployment_spec.executors.items():
        if name not in known:
            raise RefusedError(400, f"Invalid platform spec: there is no executor {name}")
        json_format.ParseDict(
            json_format.MessageToDict(config), kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        )


def _check_parameters(given: Mapping[str, Any], known: Any) -> None:
    for name, value in given.items():
        if name not in known:
            raise RefusedError(400, f"Invalid input error: unknown input parameter {name}")
        kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(known[name].parameter_type)
        fits = isinstance(value, _TYPES[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))
        if not fits:
            raise RefusedError(400, f"Invalid input error: input parameter {name} requires type {kind}")
    for name, about in known.items():
        if name not in given and not about.is_optional and not about.HasField("default_value"):
            raise RefusedError(400, f"Invalid input error: missing input parameter {name}")


@contextmanager
def serve_kubeflow() -> Iterator[FakeKubeflow]:
    """Serve it on a free port of this machine."""
    kubeflow = FakeKubeflow()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                body = json.loads(content) if content else None
                told = self.headers.get("Authorization", "")
                status, answer = 200, kubeflow.answer(self.command, address.path, query, body, told)
            except RefusedError as err:
                status, answer = err.status, {"error": str(err), "code": 3, "message": str(err), "details": []}
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815

        def log_message(self, *_words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kubeflow.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kubeflow
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
