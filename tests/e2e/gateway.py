# SPDX-License-Identifier: Apache-2.0
"""Asking a service as its users do: through the Gateway, by its hostname, over REST and gRPC."""

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import grpc
import httpx
import numpy as np
import numpy.typing as npt
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.e2e.steady_load import RIGHT

#: Where the Gateway of the place "kind" is reached; kind itself maps these node ports to others of the machine.
HTTP_PORT = int(os.environ.get("GATEWAY_HTTP_PORT", "30080"))
GRPC_PORT = int(os.environ.get("GATEWAY_GRPC_PORT", "30081"))

Tensors = dict[str, npt.NDArray[Any]]

_ANSWER_SECONDS = 40


@dataclass(frozen=True)
class Service:
    """A model behind the Gateway, or behind a server of its own.

    Attributes:
        name: The InferenceService's name, under which its predictors serve the model.
        hostname: The host that its routes take.
        http_port: REST, on 127.0.0.1.
        grpc_port: gRPC, on 127.0.0.1.
    """

    name: str
    hostname: str
    http_port: int = HTTP_PORT
    grpc_port: int = GRPC_PORT

    def rest(self, tensors: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Return the model's outputs, asked over REST as JSON."""
        url = f"http://127.0.0.1:{self.http_port}/v2/models/{self.name}/infer"
        headers = {"Content-Type": "application/json", "Host": self.hostname}
        with urlopen(Request(url, data=_json_body(tensors), headers=headers), timeout=_ANSWER_SECONDS) as answer:
            outputs = json.loads(answer.read())["outputs"]
        return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in outputs}

    def grpc(self, tensors: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Return the model's outputs, asked over gRPC with tritonclient."""
        with self._grpc_client() as client:
            answer = client.infer(self.name, _grpc_inputs(tensors), client_timeout=_ANSWER_SECONDS)
        return {output.name: _texts(answer.as_numpy(output.name)) for output in answer.get_response().outputs}

    def is_answering(self) -> bool:
        """Return whether the Gateway leads to a ready predictor, over both protocols."""
        url = f"http://127.0.0.1:{self.http_port}/v2/models/{self.name}/ready"
        try:
            with urlopen(Request(url, headers={"Host": self.hostname}), timeout=_ANSWER_SECONDS):
                pass
            with self._grpc_client() as client:
                return bool(client.is_model_ready(self.name))
        except (OSError, InferenceServerException):
            return False

    def _grpc_client(self) -> triton_grpc.InferenceServerClient:
        return triton_grpc.InferenceServerClient(
            f"127.0.0.1:{self.grpc_port}", channel_args=[("grpc.default_authority", self.hostname)]
        )


class RestClient:
    """A load's REST client; every answer is compared with the first right one.

    Args:
        service: Whom it asks.
        tensors: What it asks.
        expected: The outputs that are right.

    Attributes:
        versions: How many answers came from each version of the model.
        last_sent: When the last request was sent that each version has answered, in seconds since 1970.
    """

    def __init__(self, service: Service, tensors: Mapping[str, npt.NDArray[Any]], expected: Tensors) -> None:
        self.versions: Counter[str] = Counter()
        self.last_sent: dict[str, float] = {}
        self._service = service
        self._body = _json_body(tensors)
        self._expected = expected

    async def open(self) -> None:
        """Make the pool of connections."""
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._service.http_port}",
            headers={"Host": self._service.hostname, "Content-Type": "application/json"},
            timeout=_ANSWER_SECONDS,
            trust_env=False,
        )

    async def ask(self) -> str:
        """Send the request once and say what came."""
        sent = time.time()
        try:
            answer = await self._client.post(f"/v2/models/{self._service.name}/infer", content=self._body)
        except httpx.HTTPError as err:
            return type(err).__name__
        if answer.status_code != httpx.codes.OK:
            return f"{answer.status_code} {answer.text[:100]}"
        document = answer.json()
        self.versions[document["model_version"]] += 1
        self.last_sent[document["model_version"]] = max(sent, self.last_sent.get(document["model_version"], 0))
        outputs = {output["name"]: np.array(output["data"]) for output in document["outputs"]}
        return RIGHT if _same(outputs, self._expected) else f"a wrong answer: {answer.text[:100]}"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class GrpcClient:
    """A load's gRPC client, with one channel; arguments as for ``RestClient``."""

    def __init__(self, service: Service, tensors: Mapping[str, npt.NDArray[Any]], expected: Tensors) -> None:
        self._service = service
        self._inputs = _grpc_inputs(tensors)
        self._expected = expected

    async def open(self) -> None:
        """Make the channel."""
        self._client = triton_grpc_aio.InferenceServerClient(
            f"127.0.0.1:{self._service.grpc_port}", channel_args=[("grpc.default_authority", self._service.hostname)]
        )

    async def ask(self) -> str:
        """Send the request once and say what came."""
        try:
            answer = await self._client.infer(self._service.name, self._inputs, client_timeout=_ANSWER_SECONDS)
        except (InferenceServerException, grpc.RpcError) as err:
            return f"{type(err).__name__} {str(err)[:100]}"
        outputs = {output.name: _texts(answer.as_numpy(output.name)) for output in answer.get_response().outputs}
        return RIGHT if _same(outputs, self._expected) else f"a wrong answer: {outputs}"

    async def close(self) -> None:
        """Close the channel."""
        await self._client.close()


def _json_body(tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    inputs = [
        {"name": name, "datatype": np_to_triton_dtype(rows.dtype), "shape": rows.shape, "data": rows.tolist()}
        for name, rows in tensors.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def _grpc_inputs(tensors: Mapping[str, npt.NDArray[Any]]) -> list[Any]:
    inputs = []
    for name, rows in tensors.items():
        tensor = triton_grpc.InferInput(name, list(rows.shape), np_to_triton_dtype(rows.dtype))
        tensor.set_data_from_numpy(rows)
        inputs.append(tensor)
    return inputs


def _texts(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return BYTES as the texts that they are; numbers as they came."""
    return np.array([value.decode() for value in rows.ravel()]).reshape(rows.shape) if rows.dtype == object else rows


def _same(outputs: Tensors, expected: Tensors) -> bool:
    return sorted(outputs) == sorted(expected) and all(
        np.array_equal(outputs[name].ravel(), expected[name].ravel()) for name in expected
    )
