# SPDX-License-Identifier: Apache-2.0
"""Triton's HTTP client gets from a real server everything that it offers and this server has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from predictors import load
from predictors.served_model import ServedModel
from tests.predictors.protocol_models import TEXTS, X, pack_models
from tests.predictors.servers import RunningServer, serving

COMPRESSIONS = (None, "gzip", "deflate")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pack_models(tmp_path_factory.mktemp("models"), "linear", "slow", "text", "recommender")


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, ServedModel]:
    return {name: load(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[RunningServer]:
    # One server for both: without a switch, unloading could not be tried, and nothing else depends on it.
    with serving(*folders.values(), PREDICTOR_MODEL_REPOSITORY="true", PREDICTOR_ENABLE_GRPC="false") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}") as made:
        yield made


def numbers(*, binary: bool, rows: int = 3) -> Any:
    tensor = triton.InferInput("input", [rows, 4], "FP64")
    tensor.set_data_from_numpy(X[:rows], binary_data=binary)
    return tensor


def texts(*, binary: bool) -> Any:
    tensor = triton.InferInput("text", [len(TEXTS)], "BYTES")
    tensor.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=binary)
    return tensor


def both_outputs(*, binary: bool) -> list[Any]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]


@pytest.mark.parametrize("packed", [(to, back) for to in COMPRESSIONS for back in COMPRESSIONS], ids=str)
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("model", ["linear", "slow"])
def test_numbers_come_back_bit_for_bit_however_they_are_packed(
    client: Any, loaded: dict[str, ServedModel], model: str, binary: bool, packed: tuple[str | None, str | None]
) -> None:
    expected = loaded[model].predict({"input": X[:3]})
    answer = client.infer(
        model,
        [numbers(binary=binary)],
        outputs=both_outputs(binary=binary),
        request_compression_algorithm=packed[0],
        response_compression_algorithm=packed[1],
    )
    np.testing.assert_array_equal(answer.as_numpy("label"), expected["label"])
    np.testing.assert_array_equal(answer.as_numpy("probabilities"), expected["probabilities"])


@pytest.mark.parametrize("binary_out", [True, False], ids=["binary out", "JSON out"])
@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "JSON in"])
def test_texts_are_understood_in_both_forms(
    client: Any, loaded: dict[str, ServedModel], binary_in: bool, binary_out: bool
) -> None:
    expected = loaded["text"].predict({"text": np.array(TEXTS, dtype=object)})
    answer = client.infer("text", [texts(binary=binary_in)], outputs=both_outputs(binary=binary_out))
    labels = [label.decode() if isinstance(label, bytes) else label for label in answer.as_numpy("label")]
    assert labels == expected["label"].tolist()
    np.testing.assert_array_equal(answer.as_numpy("probabilities"), expected["probabilities"])


def test_an_optional_input_may_be_left_out_or_given(client: Any) -> None:
    users = triton.InferInput("user_id", [2], "INT64")
    users.set_data_from_numpy(np.array([1, 2]))
    wanted = triton.InferInput("k", [1], "INT64")
    wanted.set_data_from_numpy(np.array([2]), binary_data=False)
    assert client.infer("recommender", [users]).as_numpy("item_ids").shape == (2, 9)
    assert client.infer("recommender", [users, wanted]).as_numpy("item_ids").shape == (2, 2)


def test_id_version_parameters_and_headers_go_along(client: Any) -> None:
    answer = client.infer(
        "linear",
        [numbers(binary=True)],
        model_version="1.0.0",
        request_id="r-7",
        priority=1,
        timeout=60_000_000,
        headers={"x-request-id": "edge-7"},
        query_params={"from": "test"},
        parameters={"note": "hello"},
    ).get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r-7", "linear", "1.0.0")


@pytest.mark.parametrize("model", ["linear", "slow"])
def test_a_time_limit_that_is_over_ends_in_504(client: Any, model: str) -> None:
    with pytest.raises(triton.InferenceServerException) as caught:
        client.infer(model, [numbers(binary=True)], timeout=1)
    assert caught.value.status() == "504"
    assert caught.value.message() == "the request's time was over before its answer was there"


def test_requests_sent_asynchronously_are_all_answered(server: RunningServer, loaded: dict[str, ServedModel]) -> None:
    expected = loaded["slow"].predict({"input": X[:3]})["label"]
    with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}", concurrency=4) as client:
        pending = [client.async_infer("slow", [numbers(binary=place % 2 == 0)]) for place in range(12)]
        answers = [one.get_result().as_numpy("label").tolist() for one in pending]
    assert answers == [expected.tolist()] * 12


@pytest.mark.parametrize(
    ("model", "version", "status"),
    [("nope", "", "404"), ("linear", "9", "404"), ("text", "", "400")],
    ids=["unknown model", "unknown version", "unknown input"],
)
def test_a_refusal_has_its_status_and_its_sentence(client: Any, model: str, version: str, status: str) -> None:
    with pytest.raises(triton.InferenceServerException) as caught:
        client.infer(model, [numbers(binary=True)], model_version=version)
    assert caught.value.status() == status
    assert caught.value.message()


def test_health_and_metadata_are_there(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("linear")
    assert client.is_model_ready("linear", "1.0.0")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("linear", "9")
    assert client.get_server_metadata()["name"] == "portside"
    assert client.get_model_metadata("text")["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert client.get_model_metadata("text", "1.0.0")["versions"] == ["1.0.0"]


def test_the_statistics_count_what_was_answered_and_refused(client: Any) -> None:
    def counts() -> tuple[int, int, int]:
        (told,) = client.get_inference_statistics("text", "1.0.0")["model_stats"]
        stats = told["inference_stats"]
        return stats["success"]["count"], stats["fail"]["count"], told["inference_count"]

    answered, refused, rows = counts()
    client.infer("text", [texts(binary=True)])
    with pytest.raises(triton.InferenceServerException):
        client.infer("text", [numbers(binary=True)])
    assert counts() == (answered + 1, refused + 1, rows + len(TEXTS))
    everything = client.get_inference_statistics()["model_stats"]
    assert {told["name"] for told in everything} == {"linear", "recommender", "slow", "text"}


def test_a_model_is_unloaded_and_loaded_again(client: Any) -> None:
    def states() -> dict[str, str]:
        return {told["name"]: told["state"] for told in client.get_model_repository_index()}

    client.unload_model("slow")
    assert not client.is_model_ready("slow")
    assert states() == {"linear": "READY", "recommender": "READY", "slow": "UNAVAILABLE", "text": "READY"}
    client.load_model("slow")
    assert client.is_model_ready("slow")
    assert states()["slow"] == "READY"


@pytest.mark.parametrize("name", ["load_model", "unload_model"])
def test_an_unknown_model_is_neither_loaded_nor_unloaded(client: Any, name: str) -> None:
    with pytest.raises(triton.InferenceServerException) as caught:
        getattr(client, name)("nope")
    assert caught.value.status() == "404"
