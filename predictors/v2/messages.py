# SPDX-License-Identifier: Apache-2.0
"""The protobuf messages of the Open Inference Protocol V2, with Triton's statistics and repository extensions.

They live in a descriptor pool of their own: KServe's and tritonclient's generated modules each claim the same names in
the default pool, and either may be imported in this process beside these.
"""

import re
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

PACKAGE: Final = "inference"
SERVICE: Final = f"{PACKAGE}.GRPCInferenceService"

_TENSOR: Final = ("string name = 1", "string datatype = 2", "repeated int64 shape = 3")
_DATA: Final = (*_TENSOR, "map InferParameter parameters = 4", "InferTensorContents contents = 5")
_DURATIONS: Final = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
_MODEL: Final = ("string name = 1", "string version = 2")
# KServe's clients send the model's name as field 1, Triton's as field 2: whoever reads these looks at both.
_STORED: Final = ("string repository_name = 1", "string model_name = 2")

#: Fields of each message as .proto files write them; ``map T`` is ``map<string, T>``, ``one`` a member of its oneof.
_MESSAGES: Final = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live = 1",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready = 1",),
    "ModelReadyRequest": _MODEL,
    "ModelReadyResponse": ("bool ready = 1",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (*_MODEL, "repeated string extensions = 3"),
    "ModelMetadataRequest": _MODEL,
    "ModelMetadataResponse": (
        "string name = 1",
        "repeated string versions = 2",
        "string platform = 3",
        "repeated ModelMetadataResponse.TensorMetadata inputs = 4",
        "repeated ModelMetadataResponse.TensorMetadata outputs = 5",
    ),
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": (
        "one bool bool_param = 1",
        "one int64 int64_param = 2",
        "one string string_param = 3",
        "one double double_param = 4",
        "one uint64 uint64_param = 5",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents = 1",
        "repeated int32 int_contents = 2",
        "repeated int64 int64_contents = 3",
        "repeated uint32 uint_contents = 4",
        "repeated uint64 uint64_contents = 5",
        "repeated float fp32_contents = 6",
        "repeated double fp64_contents = 7",
        "repeated bytes bytes_contents = 8",
    ),
    "ModelInferRequest": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "map InferParameter parameters = 4",
        "repeated ModelInferRequest.InferInputTensor inputs = 5",
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6",
        "repeated bytes raw_input_contents = 7",
    ),
    "ModelInferRequest.InferInputTensor": _DATA,
    "ModelInferRequest.InferRequestedOutputTensor": ("string name = 1", "map InferParameter parameters = 2"),
    "ModelInferResponse": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "map InferParameter parameters = 4",
        "repeated ModelInferResponse.InferOutputTensor outputs = 5",
        "repeated bytes raw_output_contents = 6",
    ),
    "ModelInferResponse.InferOutputTensor": _DATA,
    "ModelStatisticsRequest": _MODEL,
    "ModelStatisticsResponse": ("repeated ModelStatistics model_stats = 1",),
    "ModelStatistics": (
        *_MODEL,
        "uint64 last_inference = 3",
        "uint64 inference_count = 4",
        "uint64 execution_count = 5",
        "InferStatistics inference_stats = 6",
        "repeated InferBatchStatistics batch_stats = 7",
    ),
    "InferStatistics": tuple(f"StatisticDuration {name} = {number}" for number, name in enumerate(_DURATIONS, 1)),
    "InferBatchStatistics": ("uint64 batch_size = 1",),
    "StatisticDuration": ("uint64 count = 1", "uint64 ns = 2"),
    "RepositoryIndexRequest": ("string repository_name = 1", "bool ready = 2"),
    "RepositoryIndexResponse": ("repeated RepositoryIndexResponse.ModelIndex models = 1",),
    "RepositoryIndexResponse.ModelIndex": (*_MODEL, "string state = 3", "string reason = 4"),
    "RepositoryModelLoadRequest": _STORED,
    "RepositoryModelLoadResponse": ("string model_name = 1", "bool isLoaded = 2"),
    "RepositoryModelUnloadRequest": _STORED,
    "RepositoryModelUnloadResponse": ("string model_name = 1", "bool isUnloaded = 2"),
}

#: The methods of the service: each takes ``<method>Request`` and gives ``<method>Response``.
METHODS: Final = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
)

_FIELD: Final = re.compile(r"(?:(?P<kind>repeated|map|one) )?(?P<type>[\w.]+) (?P<name>\w+) = (?P<number>\d+)")
_File = descriptor_pb2.FileDescriptorProto
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = frozenset(_Field.Type.keys())


def _add_field(message: Any, full_name: str, line: str) -> None:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise ValueError(f"{full_name}: no field of a message: {line}")
    kind, type_name = found["kind"], found["type"]
    field = message.field.add(name=found["name"], number=int(found["number"]))
    field.label = _Field.LABEL_REPEATED if kind in {"repeated", "map"} else _Field.LABEL_OPTIONAL
    if kind == "one":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind == "map":
        entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
        entry.options.map_entry = True
        _add_field(entry, entry.name, "string key = 1")
        _add_field(entry, entry.name, f"{type_name} value = 2")
        type_name = f"{full_name}.{entry.name}"
    scalar = f"TYPE_{type_name.upper()}"
    if scalar in _SCALARS:
        field.type = _Field.Type.Value(scalar)
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{type_name}"


def _file() -> Any:
    """Return the descriptor of a file with all messages and the service."""
    file = _File(name="open_inference_v2.proto", package=PACKAGE, syntax="proto3")
    messages: dict[str, Any] = {}
    for full_name, fields in _MESSAGES.items():
        outer, _, name = full_name.rpartition(".")
        message = messages[full_name] = (messages[outer].nested_type if outer else file.message_type).add(name=name)
        for line in fields:
            _add_field(message, full_name, line)
    service = file.service.add(name=SERVICE.removeprefix(f"{PACKAGE}."))
    for method in METHODS:
        service.method.add(
            name=method, input_type=f".{PACKAGE}.{method}Request", output_type=f".{PACKAGE}.{method}Response"
        )
    return file


def add_messages(pool: Any) -> None:
    """Add these messages and their service to a descriptor pool."""
    pool.Add(_file())


_POOL: Final = descriptor_pool.DescriptorPool()
add_messages(_POOL)


def message_class(name: str) -> Any:
    """Return the class of one of the messages, such as ``ModelInferRequest``."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


ModelInferRequest: Final = message_class("ModelInferRequest")
ModelInferResponse: Final = message_class("ModelInferResponse")
