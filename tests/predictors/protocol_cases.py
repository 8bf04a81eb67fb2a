# SPDX-License-Identifier: Apache-2.0
"""The protocol as data: requests over REST, each with the one answer that is right.

They are sent by the tests, and beside stock KServe by ``python -m benchmarks.protocol``, to the models of
``protocol_models``, with a limit of ``MAX_BODY_BYTES`` on a body.
"""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import pack
from typing import Any, Final

import orjson

MAX_BODY_BYTES: Final = 1_000_000
#: Rows of iris: one of each class.
ROWS: Final = ((5.1, 3.5, 1.4, 0.2), (7.0, 3.2, 4.7, 1.4), (6.3, 3.3, 6.0, 2.5))
ROW: Final = list(ROWS[0])
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}  # what curl says of a body by itself


@dataclass(frozen=True, eq=False)
class Case:
    """A request and its answer.

    Attributes:
        about: What it is, in words that no other case has.
        path: Where it goes.
        status: The answer's HTTP status.
        body: What it sends.
        headers: Its headers, besides those of the body's length and type; None leaves the content type out.
        method: Its method.
        has: Values in the answer's JSON by their place in it, such as ``outputs.0.name``.
        lacks: Places that the answer's JSON must not have.
        tells: Headers of the answer.
        says: A part of the error's sentence.
    """

    about: str
    path: str
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    method: str = "POST"
    has: Mapping[str, Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    tells: Mapping[str, str] = field(default_factory=dict)
    says: str = ""


def document(*inputs: object, **rest: Any) -> bytes:
    """Return a V2 request of these inputs."""
    return orjson.dumps({"inputs": list(inputs), **rest})


def tensor(data: Any, rows: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the input of the models on numbers."""
    return {"name": "input", "datatype": "FP64", "shape": [rows, 4], "data": data, **changes}


def column(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    """Return an input with one value a row."""
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def raw(name: str, datatype: str, shape: list[int], size: Any) -> dict[str, Any]:
    """Return an input whose data follows the JSON."""
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def texts(*values: str) -> bytes:
    """Return BYTES elements as raw data."""
    return b"".join(pack("<I", len(value.encode())) + value.encode() for value in values)


def binary(about: str, model: str, head: bytes, data: bytes, status: int = 200, **rest: Any) -> Case:
    """Return a case whose body is JSON with raw data behind it."""
    headers = {"inference-header-content-length": str(len(head)), **rest.pop("headers", {})}
    return Case(about, infer(model), status, head + data, headers, **rest)


def infer(model: str = "linear") -> str:
    """Return where a model's requests go."""
    return f"/v2/models/{model}/infer"


def get(about: str, path: str, status: int = 200, **rest: Any) -> Case:
    """Return a case of GET."""
    return Case(about, path, status, method="GET", **rest)


ONE: Final = document(tensor(ROW))
TEXT: Final = document(column("text", "BYTES", ["win a prize", "Zürich 東京 😀", ""]))
MACHINE: Final = (
    column("product_type", "BYTES", ["H", "L"]),
    column("torque", "FP64", [60.5, 10]),
    column("tool_wear", "INT64", [200, 0]),
)
USERS: Final = column("user_id", "INT64", [1, 99])
NUMBERS: Final = pack("<4d", *ROW)
RAW_INPUT: Final = raw("input", "FP64", [1, 4], len(NUMBERS))
_PACKER: Final = zlib.compressobj(wbits=-zlib.MAX_WBITS)
RAW_DEFLATE: Final = _PACKER.compress(ONE) + _PACKER.flush()
GZIP: Final = {"content-encoding": "gzip"}
LABEL: Final = {"outputs.0.name": "label", "outputs.0.datatype": "INT64", "outputs.0.data": [0]}
BOTH: Final = {**LABEL, "outputs.1.name": "probabilities", "outputs.1.shape": [1, 3]}
NOT_BOTH: Final = ("outputs.1",)
NO_NULLS: Final = ("id", "parameters", "outputs.0.parameters", "outputs.1.parameters")


def refused(about: str, body: bytes, says: str, model: str = "linear", **rest: Any) -> Case:
    """Return a case that gets 400."""
    return Case(about, infer(model), 400, body, says=says, **rest)


def timed(about: str, timeout: Any, status: int, model: str = "slow", says: str = "") -> Case:
    """Return a case with Triton's parameter ``timeout``."""
    return Case(about, infer(model), status, document(tensor(ROW), parameters={"timeout": timeout}), says=says)


def awaited(about: str, milliseconds: str, status: int, rows: int = 1, says: str = "") -> Case:
    """Return a case with the time that Envoy gives it."""
    headers = {"x-envoy-expected-rq-timeout-ms": milliseconds}
    return Case(about, infer("slow"), status, document(tensor(ROW * rows, rows)), headers, says=says)


HEALTH: Final = (
    get("live", "/v2/health/live", has={"live": True}),
    get("ready", "/v2/health/ready", has={"ready": True}),
    get("the root, as KServe's probes ask it", "/", has={"status": "alive"}),
    get("a model is ready", "/v2/models/linear/ready", has={"name": "linear", "ready": True}),
    get("a version is ready", "/v2/models/linear/versions/1.0.0/ready", has={"name": "linear", "ready": True}),
    get("readiness of an unknown model", "/v2/models/nope/ready", 404, says='no model "nope"'),
    get("readiness of an unknown version", "/v2/models/linear/versions/9/ready", 404, says='version 1.0.0, not "9"'),
    get("the server's metadata", "/v2"),
    get("the list of models", "/v2/models"),
    get(
        "a model's metadata",
        "/v2/models/linear",
        has={"name": "linear", "versions": ["1.0.0"], "inputs.0.shape": [-1, 4], "outputs.1.shape": [-1, 3]},
    ),
    get("a version's metadata", "/v2/models/linear/versions/1.0.0", has={"versions": ["1.0.0"]}),
    get("metadata of an unknown model", "/v2/models/nope", 404, says='no model "nope"'),
    get("metadata of an unknown version", "/v2/models/linear/versions/9", 404, says='version 1.0.0, not "9"'),
    get("a model's statistics", "/v2/models/linear/stats", has={"model_stats.0.name": "linear"}),
    get("a version's statistics", "/v2/models/linear/versions/1.0.0/stats", has={"model_stats.0.version": "1.0.0"}),
    get("all statistics", "/v2/models/stats", has={"model_stats.0.name": "linear"}),
    get("statistics of an unknown model", "/v2/models/nope/stats", 404, says='no model "nope"'),
    get("the repository's index", "/v2/repository/index", has={"0.state": "READY"}),
    Case("the repository's index by POST, as Triton's clients ask", "/v2/repository/index", has={"0.state": "READY"}),
    Case("loading, switched off", "/v2/repository/models/linear/load", 400, says="PREDICTOR_MODEL_REPOSITORY"),
    Case("unloading, switched off", "/v2/repository/models/linear/unload", 400, says="PREDICTOR_MODEL_REPOSITORY"),
    get("the metrics", "/metrics", tells={"content-type": "text/plain; version=0.0.4; charset=utf-8"}),
)

INFERENCE: Final = (
    Case("a linear model", infer(), body=ONE, has=BOTH, lacks=NO_NULLS),
    Case("a forest", infer("forest"), body=ONE, has=BOTH, lacks=NO_NULLS),
    Case("gradient boosting, which scikit-learn scores", infer("slow"), body=ONE, has=BOTH, lacks=NO_NULLS),
    Case("a version", "/v2/models/linear/versions/1.0.0/infer", body=ONE, has={**BOTH, "model_version": "1.0.0"}),
    Case("an unknown model", infer("nope"), 404, ONE, says='no model "nope"'),
    Case("an unknown version", "/v2/models/linear/versions/9/infer", 404, ONE, says='version 1.0.0, not "9"'),
    Case("an id", infer(), body=document(tensor(ROW), id="r 1/ü"), has={"id": "r 1/ü"}),
    Case("an empty id", infer(), body=document(tensor(ROW), id=""), has={"id": ""}),
    Case("an id that is null", infer(), body=document(tensor(ROW), id=None), lacks=NO_NULLS),
    Case("one output", infer(), body=document(tensor(ROW), outputs=[{"name": "label"}]), has=LABEL, lacks=NOT_BOTH),
    Case(
        "outputs in another order",
        infer(),
        body=document(tensor(ROW), outputs=[{"name": "probabilities"}, {"name": "label"}]),
        has={"outputs.0.name": "probabilities", "outputs.1.name": "label"},
    ),
    Case("an empty list of outputs", infer(), body=document(tensor(ROW), outputs=[]), has=BOTH),
    Case("outputs that are null", infer(), body=document(tensor(ROW), outputs=None), has=BOTH),
    *(
        Case(
            f"{rows} row{'' if rows == 1 else 's'} for {title}",
            infer(model),
            body=document(tensor(ROW * rows, rows)),
            has=answer,
        )
        for model, title in (("linear", "a linear model"), ("forest", "a forest"), ("slow", "gradient boosting"))
        for rows in (0, 1, 7, 5000)
        for answer in [{"outputs.0.data": [0] * rows, "outputs.1.shape": [rows, 3]}]
    ),
    Case("nested data", infer(), body=document(tensor(ROWS, 3)), has={"outputs.0.data": [0, 1, 2]}),
    Case("integers in a float tensor", infer(), body=document(tensor([5, 3, 1, 0])), has=LABEL),
    Case("an integer datatype for a float tensor", infer(), body=document(tensor([5, 3, 1, 0], datatype="INT64"))),
    Case("parameters that nobody knows", infer(), body=document(tensor(ROW), parameters={"sequence_id": 7})),
    Case("texts", infer("text"), body=TEXT, has={"outputs.0.datatype": "BYTES", "outputs.0.shape": [3]}),
    Case("no text at all", infer("text"), body=document(column("text", "BYTES", [])), has={"outputs.0.data": []}),
    Case(
        "texts, floats and integers",
        infer("maintenance"),
        body=document(*MACHINE),
        has={"outputs.0.datatype": "BOOL", "outputs.0.data": [True, False]},
    ),
    Case("an optional input left out", infer("recommender"), body=document(USERS), has={"outputs.0.shape": [2, 9]}),
    Case(
        "an optional input given",
        infer("recommender"),
        body=document(USERS, column("k", "INT64", [2])),
        has={"outputs.0.shape": [2, 2], "outputs.2.data": [True, False]},
    ),
)

REFUSED: Final = (
    refused("an empty body", b"", "not valid JSON"),
    refused("malformed JSON", b'{"inputs": [', "not valid JSON"),
    refused("JSON with NaN", ONE.replace(b"5.1", b"NaN"), "not valid JSON"),
    refused("a number too large for a float", ONE.replace(b"5.1", b"1e999"), "not valid JSON"),
    refused("deep nesting", b"[" * 30_000 + b"]" * 30_000, "not valid JSON"),
    refused("deep nesting in the data", document(tensor(0)).replace(b":0", b":" + b"[" * 500 + b"]" * 500), "nested"),
    refused("a list", b"[]", "must be a JSON object"),
    refused("no inputs", b"{}", '"inputs" must be a list'),
    refused("empty inputs", b'{"inputs":[]}', '"inputs" must be a list'),
    refused("null inputs", b'{"inputs":null}', '"inputs" must be a list'),
    refused("an unknown input", document(tensor(ROW, name="x")), 'unknown input "x"'),
    refused("a missing input", document(*MACHINE[:2]), '"tool_wear" is missing', "maintenance"),
    refused("an input twice", document(tensor(ROW), tensor(ROW)), "given twice"),
    refused("inputs of unlike rows", document(*MACHINE[:2], column("tool_wear", "INT64", [1])), "same", "maintenance"),
    refused("an id that is a number", document(tensor(ROW), id=1), '"id" must be a string'),
    refused("an unknown output", document(tensor(ROW), outputs=[{"name": "x"}]), 'unknown output "x"'),
    refused("an output twice", document(tensor(ROW), outputs=[{"name": "label"}] * 2), "asked for twice"),
    refused("outputs that are an object", document(tensor(ROW), outputs={}), '"outputs" must be a list'),
    refused("parameters that are a list", document(tensor(ROW), parameters=[]), '"parameters"'),
    refused("another datatype", document(tensor(ROW, datatype="BYTES")), "has datatype FP64"),
    refused("an unknown datatype", document(tensor(ROW, datatype="FP65")), "has datatype FP64"),
    refused("a rank too low", document(tensor(ROW, shape=[4])), "has shape [-1, 4]"),
    refused("too few features", document(tensor(ROW[:3], shape=[1, 3])), "has shape [-1, 4]"),
    refused("a shape that does not fit its data", document(tensor(ROW, 2)), "has 4 values"),
    refused("ragged data", document(tensor([ROW, ROW[:3]], 2)), "not nested as its shape"),
    refused("a negative shape", document(tensor(ROW, -1)), 'needs "shape"'),
    refused("an absurd shape", document(tensor(ROW, 10**15)), "has 4 values"),
    refused("a shape beyond 64 bits", ONE.replace(b"[1,4]", b"[99999999999999999999,4]"), 'needs "shape"'),
    refused("no data", document({"name": "input", "datatype": "FP64", "shape": [1, 4]}), 'needs "data"'),
    refused("a null among numbers", document(tensor([None, 1, 2, 3])), "takes numbers"),
    refused("a text among numbers", document(tensor(["1", 1, 2, 3])), "takes numbers"),
    refused("a boolean among numbers", document(tensor([True, 1, 2, 3])), "takes numbers"),
    refused("an integer that no float holds", document(tensor([2**53 + 1, 1, 2, 3])), "cannot hold exactly"),
    refused("a float for an integer", document(column("user_id", "INT64", [1.0])), "takes integers", "recommender"),
    refused("a number for a text", document(column("text", "BYTES", [1])), "takes strings", "text"),
    refused("a null for a text", document(column("text", "BYTES", [None])), "takes strings", "text"),
    refused("a category that is none", document(column("product_type", "BYTES", ["X", "L"]), *MACHINE[1:]), "one of",
            "maintenance"),
    refused("an optional input out of range", document(USERS, column("k", "INT64", [0])), "from 1 to 100",
            "recommender"),
)  # fmt: skip

BINARY: Final = (
    binary("a binary input", "linear", document(RAW_INPUT), NUMBERS, has=BOTH),
    binary("a binary integer input for a float tensor", "linear", document(raw("input", "INT64", [1, 4], 32)),
           pack("<4q", 5, 3, 1, 0), has=BOTH),
    binary("binary texts", "text", document(raw("text", "BYTES", [2], 16)), texts("prize", "東"),
           has={"outputs.0.shape": [2]}),
    binary("binary and JSON inputs together", "maintenance",
           document(raw("product_type", "BYTES", [2], 10), MACHINE[1], raw("tool_wear", "INT64", [2], 16)),
           texts("H", "L") + pack("<2q", 200, 0), has={"outputs.0.data": [True, False]}),
    Case("one output binary", infer(), body=document(
        tensor(ROW), outputs=[{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]),
        has={"outputs.0.parameters.binary_data_size": 8, "outputs.1.shape": [1, 3]}, lacks=("outputs.0.data",),
        tells={"content-type": "application/octet-stream"}),
    Case("all outputs binary", infer(), body=document(tensor(ROW), parameters={"binary_data_output": True}),
         has={"outputs.0.parameters.binary_data_size": 8, "outputs.1.parameters.binary_data_size": 24},
         lacks=("outputs.0.data", "outputs.1.data"), tells={"content-type": "application/octet-stream"}),
    Case("all outputs binary but one", infer(), body=document(
        tensor(ROW), parameters={"binary_data_output": True},
        outputs=[{"name": "label", "parameters": {"binary_data": False}}, {"name": "probabilities"}]),
        has={**LABEL, "outputs.1.parameters.binary_data_size": 24}, lacks=("outputs.1.data",)),
    Case("binary texts in the answer", infer("text"), body=document(
        column("text", "BYTES", ["win a prize"]), parameters={"binary_data_output": True}),
        has={"outputs.0.parameters.binary_data_size": 8}, lacks=("outputs.0.data",)),
    binary("too few binary bytes", "linear", document(RAW_INPUT), NUMBERS[:-1], 400, says="31 bytes left"),
    binary("too many binary bytes", "linear", document(RAW_INPUT), NUMBERS + b"\0", 400, says="binary inputs take: 1"),
    binary("a size that does not fit the shape", "linear", document(raw("input", "FP64", [1, 4], 24)), NUMBERS[:24],
           400, says="needs 32"),
    binary("an absurd shape of binary data", "linear", document(raw("input", "FP64", [10**15, 4], 32)), NUMBERS, 400,
           says="needs"),
    binary("a negative size", "linear", document(raw("input", "FP64", [1, 4], -1)), NUMBERS, 400, says="left"),
    binary("a size that is a text", "linear", document(raw("input", "FP64", [1, 4], "32")), NUMBERS, 400, says="left"),
    binary("data and a size", "linear", document({**tensor(ROW), **RAW_INPUT}), NUMBERS, 400, says='both "data"'),
    binary("a binary NaN", "linear", document(RAW_INPUT), pack("<4d", float("nan"), 1, 2, 3), 400, says="missing"),
    binary("binary infinity", "linear", document(RAW_INPUT), pack("<4d", float("inf"), 1, 2, 3), 400, says="range"),
    binary("binary texts cut short", "text", document(raw("text", "BYTES", [2], 9)), texts("prize"), 400, says="four"),
    binary("binary texts that are not UTF-8", "text", document(raw("text", "BYTES", [1], 5)), b"\1\0\0\0\xff", 400,
           says="UTF-8"),
    refused("binary data without its header", document(RAW_INPUT) + NUMBERS, "not valid JSON"),
    refused("a JSON part longer than the body", ONE, "JSON part",
            headers={"inference-header-content-length": str(len(ONE) + 1)}),
    refused("a length of the JSON part that is none", ONE, "number of bytes",
            headers={"inference-header-content-length": "x"}),
    refused("a flag that is a number", document(tensor(ROW), parameters={"binary_data_output": 1}), "true or false"),
)  # fmt: skip

ENCODINGS: Final = (
    Case("a body packed with gzip", infer(), 200, gzip.compress(ONE), GZIP, has=BOTH),
    Case("a body packed with deflate", infer(), 200, zlib.compress(ONE), {"content-encoding": "deflate"}, has=BOTH),
    Case("a body not packed, as it says", infer(), 200, ONE, {"content-encoding": "identity"}, has=BOTH),
    Case("gzip with binary data", infer(), 200, gzip.compress(document(RAW_INPUT) + NUMBERS),
         {**GZIP, "inference-header-content-length": str(len(document(RAW_INPUT)))}, has=BOTH),
    refused("gzip that is none", ONE, "not gzip", headers=GZIP),
    refused("deflate without zlib's head", RAW_DEFLATE, "not deflate", headers={"content-encoding": "deflate"}),
    refused("gzip cut short", gzip.compress(ONE)[:-9], "one whole gzip stream", headers=GZIP),
    refused("gzip with more behind it", gzip.compress(ONE) + b"x", "one whole gzip stream", headers=GZIP),
    Case("a gzip bomb: 20 MB in 20 kB", infer(), 413, gzip.compress(bytes(20_000_000)), GZIP, says="over the limit"),
    Case("an unknown encoding", infer(), 415, ONE, {"content-encoding": "br"}, says="'br' is not known"),
    Case("two encodings", infer(), 415, ONE, {"content-encoding": "gzip, br"}, says="is not known"),
    Case("an answer packed with gzip", infer(), 200, ONE, {"accept-encoding": "br, gzip;q=0.5"}, has=BOTH,
         tells={"content-encoding": "gzip", "vary": "accept-encoding", "content-type": "application/json"}),
    Case("a binary answer packed with gzip", infer(), 200,
         document(tensor(ROW), parameters={"binary_data_output": True}), {"accept-encoding": "gzip"},
         has={"outputs.0.parameters.binary_data_size": 8},
         tells={"content-encoding": "gzip", "content-type": "application/octet-stream"}),
    Case("gzip refused by the client", infer(), 200, ONE, {"accept-encoding": "gzip;q=0"}, has=BOTH),
    Case("a content type with a charset", infer(), 200, ONE, {"content-type": "application/json; charset=utf-8"},
         has=BOTH),
    Case("another content type", infer(), 200, ONE, FORM, has=BOTH),
    Case("no content type", infer(), 200, ONE, {"content-type": None}, has=BOTH),
)  # fmt: skip

LIMITS: Final = (
    Case("a body over the limit", infer(), 413, b" " * (MAX_BODY_BYTES + 1), says="over the limit"),
    get("an unknown path", "/v2/nope", 404, says="nothing at /v2/nope"),
    get("a slash too many", "/v2/models/linear/", 404, says="nothing at"),
    get("GET where POST is due", infer(), 405, tells={"allow": "POST"}, says="takes POST"),
    Case("PUT where POST is due", infer(), 405, ONE, method="PUT", tells={"allow": "POST"}, says="takes POST"),
    Case("POST where GET is due", "/v2/models/linear", 405, ONE, tells={"allow": "GET"}, says="takes GET"),
    Case("DELETE of a model", "/v2/models/linear", 405, method="DELETE", tells={"allow": "GET"}, says="takes GET"),
    Case("DELETE of the index", "/v2/repository/index", 405, method="DELETE", tells={"allow": "GET, POST"}),
    timed("a time limit of one microsecond", 1, 504, says="time was over"),
    timed("a time limit of one microsecond, for a fast model", 1, 504, "linear", says="time was over"),
    timed("a time limit of a minute", 60_000_000, 200),
    timed("a time limit of 0, which is none", 0, 200),
    timed("a negative time limit", -1, 400, says="microseconds"),
    timed("a time limit with a fraction", 1.5, 400, says="microseconds"),
    timed("a time limit that is a text", "1", 400, says="microseconds"),
    awaited("a millisecond by Envoy's header, for 5,000 rows", "1", 504, 5000, says="time was over"),
    awaited("a minute by Envoy's header", "60000", 200),
    awaited("0 by Envoy's header, which is no limit", "0", 200),
    awaited("Envoy's header without a number", "soon", 400, says="number of milliseconds"),
    awaited("Envoy's header with a negative number", "-1", 400, says="number of milliseconds"),
)

V1: Final = (
    Case("V1: a prediction", "/v1/models/linear:predict", body=orjson.dumps({"instances": ROWS}),
         has={"predictions.0.label": 0, "predictions.2.label": 2}),
    Case("V1: texts", "/v1/models/text:predict", body=b'{"instances": ["win a prize now"]}',
         has={"predictions.0.label": "spam"}),
    get("V1: the list of models", "/v1/models"),
    get("V1: a model is ready", "/v1/models/linear", has={"name": "linear", "ready": True}),
    get("V1: an unknown model", "/v1/models/nope", 404),
    Case("V1: a prediction of an unknown model", "/v1/models/nope:predict", 404, b'{"instances": [[1]]}'),
    Case("V1: malformed JSON", "/v1/models/linear:predict", 400, b"{"),
    Case("V1: no instances", "/v1/models/linear:predict", 400, b'{"rows": []}', says='"instances"'),
    Case("V1: an empty list of instances", "/v1/models/linear:predict", 400, b'{"instances": []}', says='"instances"'),
    Case("V1: too few features", "/v1/models/linear:predict", 400, b'{"instances": [[1, 2, 3]]}', says="nested"),
    Case("V1: texts for numbers", "/v1/models/linear:predict", 400, b'{"instances": [["a", "b", "c", "d"]]}',
         says="takes numbers"),
    Case("V1: a body over the limit", "/v1/models/linear:predict", 413, b" " * (MAX_BODY_BYTES + 1)),
)  # fmt: skip

SECTIONS: Final[Mapping[str, tuple[Case, ...]]] = {
    "Health and metadata": HEALTH,
    "Inference": INFERENCE,
    "Binary tensors": BINARY,
    "Refusals": REFUSED,
    "Encodings": ENCODINGS,
    "Limits": LIMITS,
    "V1": V1,
}
CASES: Final = tuple(case for cases in SECTIONS.values() for case in cases)
