# SPDX-License-Identifier: Apache-2.0
"""Whether a server's answers are right, asked before any load: against scikit-learn's own."""

import http.client
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt
import orjson
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from benchmarks.errors import BenchmarkError
from benchmarks.models import Model
from benchmarks.requests import METHOD, HttpRequest, grpc_message, json_request

#: ONNX Runtime computes in float32.
_TOLERANCE: Final = 1e-4
_SECONDS: Final = 30


def check_rest(port: int, model: Model, subject: str) -> None:
    """Ask a server twice over REST: the very request that is used as load, then through tritonclient.

    Raises:
        BenchmarkError: It did not answer, or not as scikit-learn does.
    """
    status, body = post(port, json_request(model))
    if status != http.client.OK:
        raise BenchmarkError(f"{subject} answers {status} to a request for {model.name}: {body[:300]!r}")
    _check(_outputs(body), model, f"{subject} over REST")
    tensor = tritonclient.http.InferInput(model.input, list(model.rows[:1].shape), model.datatype)
    # Not as raw bytes, which MLServer does not read; and KServe takes what is not called JSON for such.
    tensor.set_data_from_numpy(model.rows[:1], binary_data=False)
    headers = {"Content-Type": "application/json"}
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=_SECONDS) as client:
        answer = _inferred(lambda: client.infer(model.name, [tensor], headers=headers), model, subject)
    told = [output["name"] for output in answer.get_response()["outputs"]]
    _check({name: answer.as_numpy(name) for name in told}, model, f"{subject} to tritonclient over HTTP")


def check_grpc(port: int, model: Model, subject: str) -> int:
    """Ask a server over gRPC through tritonclient, and return the size of the answer's message in bytes.

    Raises:
        BenchmarkError: It did not answer, or not as scikit-learn does.
    """
    tensor = tritonclient.grpc.InferInput(model.input, list(model.rows[:1].shape), model.datatype)
    tensor.set_data_from_numpy(model.rows[:1])
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        answer = _inferred(lambda: client.infer(model.name, [tensor], client_timeout=_SECONDS), model, subject)
    told = [output.name for output in answer.get_response().outputs]
    _check({name: answer.as_numpy(name) for name in told}, model, f"{subject} to tritonclient over gRPC")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        message: bytes = infer(grpc_message(model), timeout=_SECONDS)
    return len(message)


def answers_rightly(port: int, model: Model) -> bool:
    """Return whether a server that may still be starting gives the right answer over REST."""
    try:
        status, body = post(port, json_request(model))
    except (OSError, http.client.HTTPException):
        return False
    if status != http.client.OK:
        return False
    _check(_outputs(body), model, "the server")
    return True


def post(port: int, request: HttpRequest) -> tuple[int, bytes]:
    """Return status and body of the answer to a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("POST", request.path, request.body, request.headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _inferred(infer: Callable[[], Any], model: Model, subject: str) -> Any:
    try:
        return infer()
    except InferenceServerException as err:
        raise BenchmarkError(f"{subject} refuses tritonclient's request for {model.name}: {err}") from err


def _outputs(body: bytes) -> dict[str, npt.NDArray[Any]]:
    document = orjson.loads(body)
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in document["outputs"]}


def _check(outputs: Mapping[str, npt.NDArray[Any] | None], model: Model, whose: str) -> None:
    """Compare the outputs whose meaning is known with scikit-learn's own; there must be probabilities among them."""
    expected = model.probabilities(1)
    proofs = {
        "probabilities": expected,
        "predict_proba": expected,
        "output-0": expected,
        "spam_probability": expected[:, -1],
    }
    known = {name: proof for name, proof in proofs.items() if name in outputs}
    for name, proof in known.items():
        given = outputs[name]
        if given is None or given.size != proof.size or not np.allclose(given.ravel(), proof.ravel(), atol=_TOLERANCE):
            raise BenchmarkError(f"the answer of {whose} is wrong: {model.name} gives {name} {given}, not {proof}")
    if not known:
        raise BenchmarkError(f"the answer of {whose} has no probabilities: {sorted(outputs)}")
