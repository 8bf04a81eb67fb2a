# SPDX-License-Identifier: Apache-2.0
"""What gRPC clients ask beside inference: health, metadata, statistics, the repository and reflection."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tritonclient.grpc
from google.protobuf import descriptor_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.utils import InferenceServerException

from predictors.v2.messages import SERVICE
from tests.predictors.grpc_client import GrpcClient, grpc_client
from tests.predictors.grpc_models import X, iris, pack_models
from tests.predictors.servers import RunningServer, serving

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pack_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(folders: list[Path]) -> Iterator[RunningServer]:
    with serving(*folders) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[GrpcClient]:
    with grpc_client(server.grpc_port) as connected:
        assert connected.call("ServerReady").ready
        yield connected


@pytest.mark.usefixtures("client")
def test_tritonclient_finds_what_it_asks_for(server: RunningServer) -> None:
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as triton:
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("fast")
        assert triton.is_model_ready("fast", "1.0.0")
        assert triton.get_server_metadata(as_json=True)["name"] == "portside"
        metadata = triton.get_model_metadata("mixed", as_json=True)
        index = triton.get_model_repository_index(as_json=True)["models"]
        tensor = tritonclient.grpc.InferInput("input", [2, 4], "FP64")
        tensor.set_data_from_numpy(X[:2])
        answer = triton.infer("fast", [tensor], request_id="t-1", timeout=10_000_000)
        statistics = triton.get_inference_statistics("fast", as_json=True)["model_stats"]
    assert server.get("/v2/models/mixed")[1]["inputs"] == [
        {**tensor, "shape": [int(size) for size in tensor["shape"]]} for tensor in metadata["inputs"]
    ]
    assert [model["name"] for model in index] == ["fast", "mixed", "slow", "tree"]
    assert {model["state"] for model in index} == {"READY"}
    assert answer.get_response().id == "t-1"
    assert answer.as_numpy("label").shape == (2,)
    assert int(statistics[0]["inference_stats"]["success"]["count"]) > 0


@pytest.mark.parametrize("method", ["ModelReady", "ModelMetadata", "ModelStatistics"])
@pytest.mark.parametrize("fields", [{"name": "nope"}, {"name": "fast", "version": "9"}], ids=["model", "version"])
def test_an_unknown_model_is_not_found(client: GrpcClient, method: str, fields: dict[str, str]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.call(method, **fields)
    assert refused.value.code() is Code.NOT_FOUND


def test_models_are_not_loaded_over_the_network_by_default(server: RunningServer) -> None:
    with (
        tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as triton,
        pytest.raises(InferenceServerException, match="loaded or unloaded over the network") as refused,
    ):
        triton.unload_model("fast")
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_an_unloaded_model_is_unavailable_until_it_is_loaded_again(folders: list[Path]) -> None:
    with (
        serving(folders[0], folders[1], PREDICTOR_MODEL_REPOSITORY="true") as server,
        grpc_client(server.grpc_port) as client,
        tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as triton,
    ):
        health = health_pb2_grpc.HealthStub(client.channel)
        assert client.call("ServerReady").ready
        triton.unload_model("fast")
        assert client.refusal(iris())[0] is Code.UNAVAILABLE
        assert client.outcome(iris("slow")) is Code.OK
        assert not client.call("ModelReady", name="fast").ready
        assert not client.call("ServerReady").ready
        assert [model.name for model in client.call("RepositoryIndex", ready=True).models] == ["slow"]
        assert health.Check(health_pb2.HealthCheckRequest(service="fast")).status == NOT_SERVING
        assert health.Check(health_pb2.HealthCheckRequest(service="slow")).status == SERVING
        triton.load_model("fast")
        assert client.outcome(iris()) is Code.OK
        # KServe's clients send the name as the first field.
        unloaded = client.call("RepositoryModelUnload", repository_name="fast")
        assert (unloaded.model_name, unloaded.isUnloaded) == ("fast", True)
        assert client.outcome(iris()) is Code.UNAVAILABLE


@pytest.mark.parametrize("service", ["", SERVICE, "fast", "grpc.health.v1.Health"])
def test_health_tells_of_the_server_and_of_each_model(client: GrpcClient, service: str) -> None:
    health = health_pb2_grpc.HealthStub(client.channel)
    assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING


def test_health_of_what_is_not_here_is_not_found(client: GrpcClient) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(service="nope"))
    assert refused.value.code() is Code.NOT_FOUND


def test_watched_health_changes_while_draining_and_requests_are_still_answered(folders: list[Path]) -> None:
    with serving(folders[0], PREDICTOR_DRAIN_SECONDS="3") as server, grpc_client(server.grpc_port) as client:
        watched = health_pb2_grpc.HealthStub(client.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=30, wait_for_ready=True
        )
        assert next(watched).status == SERVING
        os.kill(server.process.pid, signal.SIGTERM)
        assert next(watched).status == NOT_SERVING
        assert not client.call("ServerReady").ready
        assert not client.call("ModelReady", name="fast").ready
        assert client.outcome(iris()) is Code.OK
        with pytest.raises(grpc.RpcError) as ended:
            next(watched)
        assert ended.value.code() is Code.UNAVAILABLE
        assert server.process.wait(30) == 0


def test_a_steady_client_sees_no_failure_when_the_server_drains(folders: list[Path]) -> None:
    with serving(folders[0], PREDICTOR_DRAIN_SECONDS="2") as server, grpc_client(server.grpc_port) as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        outcomes = [client.outcome(iris()) for _ in range(50)]
        os.kill(server.process.pid, signal.SIGTERM)
        while health.Check(health_pb2.HealthCheckRequest()).status == SERVING:
            outcomes.append(client.outcome(iris()))
        outcomes += [client.outcome(iris()) for _ in range(50)]
        assert set(outcomes) == {Code.OK}
        assert server.process.wait(30) == 0


def test_reflection_tells_the_services_and_their_messages(client: GrpcClient) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="nope"),
    ]
    services, file, unknown = stub.ServerReflectionInfo(iter(asked), timeout=30)
    names = {service.name for service in services.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    described = descriptor_pb2.FileDescriptorProto.FromString(file.file_descriptor_response.file_descriptor_proto[-1])
    assert "ModelInfer" in {method.name for method in described.service[0].method}
    assert unknown.error_response.error_code == Code.NOT_FOUND.value[0]


def test_several_workers_answer_on_one_port(folders: list[Path]) -> None:
    with serving(folders[0], options=("--workers", "2")) as server:
        for _ in range(10):
            with grpc_client(server.grpc_port, use_local_subchannel_pool=1) as client:
                assert client.outcome(iris()) is Code.OK


PEERS = {
    "KServe": "from kserve.protocol.grpc.grpc_predict_v2_pb2 import DESCRIPTOR as theirs",
    "tritonclient": "from tritonclient.grpc.service_pb2 import DESCRIPTOR as theirs",
}
# Each in its own process: the two peers cannot be imported into one.
COMPARE = """
from predictors.v2.messages import METHODS, message_class
{peer}
ours = message_class("ModelInferRequest").DESCRIPTOR.file
differ = []
def compare(mine, other):
    for field in mine.fields:
        told = other.fields_by_number.get(field.number)
        if told is not None and (field.name, field.type, field.is_repeated) != (told.name, told.type, told.is_repeated):
            differ.append((mine.full_name, field.name, told.name))
    for name, nested in mine.nested_types_by_name.items():
        compare(nested, other.nested_types_by_name[name])
for name, message in ours.message_types_by_name.items():
    if name in theirs.message_types_by_name:
        compare(message, theirs.message_types_by_name[name])
print(differ)
"""


@pytest.mark.parametrize(
    ("peer", "differences"),
    [
        (
            "KServe",
            [
                ("inference.RepositoryModelLoadRequest", "repository_name", "model_name"),
                ("inference.RepositoryModelUnloadRequest", "repository_name", "model_name"),
            ],
        ),
        ("tritonclient", []),
    ],
)
def test_the_messages_are_those_of_the_peers_and_live_beside_them(peer: str, differences: list[Any]) -> None:
    program = COMPARE.format(peer=PEERS[peer])
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(differences)


def test_grpc_is_answered_without_kserve_and_without_the_core_of_grpc() -> None:
    program = "import sys, predictors.serving.grpc.service; print('kserve' in sys.modules, 'grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
