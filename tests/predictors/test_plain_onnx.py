# SPDX-License-Identifier: Apache-2.0
"""A folder with one ONNX file and no artifact.json, as the container's entry and the command line serve it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictors import pack_onnx
from tests.predictors.grpc_client import grpc_client, outputs_of, raw_request
from tests.predictors.scraping import until
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)
MODEL = LogisticRegression(max_iter=500).fit(X.astype(np.float32), Y)
ROWS = X[[0, 75, 149]].astype(np.float32)
REQUEST = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [3, 4], "data": ROWS.ravel().tolist()}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as the storage initializer leaves it: one ONNX file, and nothing of ours."""
    folder = tmp_path_factory.mktemp("mnt") / "models"
    folder.mkdir()
    made = to_onnx(
        MODEL,
        initial_types=[("X", FloatTensorType([None, 4]))],
        options={id(MODEL): {"zipmap": False}},
        target_opset=21,
    )
    (folder / "flowers.onnx").write_bytes(made.SerializeToString())
    return folder


def container(folder: Path, *words: str, **environ: str) -> "subprocess.Popen[str]":
    """Start the container's entry on this folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "predictors", f"--model_dir={folder}", *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREDICTOR_DRAIN_SECONDS": "0", "PREDICTOR_HOST": "127.0.0.1", **environ},
    )


@contextmanager
def in_container(folder: Path, name: str) -> Iterator[RunningServer]:
    """Serve a folder by the container's entry until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        http, grpc = one.getsockname()[1], other.getsockname()[1]
    process = container(folder, f"--model_name={name}", f"--http_port={http}", f"--grpc_port={grpc}")
    server = RunningServer(process, http, grpc)

    def is_ready() -> bool:
        assert process.poll() is None
        try:
            return server.get(f"/v2/models/{name}/ready")[0] == 200
        except OSError:
            return False

    try:
        until(is_ready, "it is ready")
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        server.log.extend((process.communicate(timeout=60)[1] or "").splitlines())


def refusal(folder: Path, **environ: str) -> str:
    """Return the only line that a start writes which must fail, with exit code 2."""
    process = container(folder, "--model_name=flowers", "--http_port=0", "--grpc_port=0", **environ)
    log = process.communicate(timeout=60)[1]
    assert process.returncode == 2, log
    errors = [told["message"] for told in map(json.loads, log.splitlines()) if told["level"] == "error"]
    assert len(errors) == 1, log
    message: str = errors[0]
    return message


def save(path: Path, *nodes: onnx.NodeProto, **tensors: tuple[int, list[int | str]]) -> None:
    """Write a graph that takes ``x`` and gives ``y``."""
    inputs, outputs = ([helper.make_tensor_value_info(name, *tensors[name])] for name in ("x", "y"))
    graph = helper.make_graph(list(nodes), "graph", inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path.write_bytes(made.SerializeToString())


def test_the_container_serves_a_plain_onnx_file_under_the_name_it_is_given(model: Path) -> None:
    with in_container(model, "iris") as server:
        status, metadata = server.get("/v2/models/iris")
        answer = server.infer("iris", REQUEST)
        with grpc_client(server.grpc_port) as client:
            rpc = client.infer(raw_request("iris", {"X": ("FP32", ROWS)}))
    assert status == 200
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    ]
    label, probabilities = answer["outputs"]
    assert label["data"] == MODEL.predict(ROWS).tolist()
    np.testing.assert_allclose(np.reshape(probabilities["data"], (3, 3)), MODEL.predict_proba(ROWS), rtol=1e-5)
    assert rpc.model_version == "1"
    assert outputs_of(rpc)["label"] == label["data"]
    np.testing.assert_allclose(outputs_of(rpc)["probabilities"], probabilities["data"], rtol=1e-6)
    assert any("serving iris 1 (onnx)" in line for line in server.log), server.log


def test_it_answers_as_the_same_file_packed_does(model: Path, tmp_path: Path) -> None:
    packed = pack_onnx(model / "flowers.onnx", name="packed", version="1", out=tmp_path)
    with serving(model, packed) as server:
        plain, sealed = server.infer("flowers", REQUEST), server.infer("packed", REQUEST)
    assert plain["outputs"] == sealed["outputs"]


def test_a_folder_named_like_a_version_is_that_version(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "2.1.0"))
    (folder / "README.md").write_text("What else lies there is nobody's concern.")
    with serving(folder, options=("--name", "iris", "--workers", "2")) as server:
        assert server.infer("iris", REQUEST)["model_version"] == "2.1.0"


def test_it_is_unloaded_and_loaded_again(model: Path) -> None:
    with serving(model, PREDICTOR_MODEL_REPOSITORY="true") as server:
        assert server.post("/v2/repository/models/flowers/unload", {})[0] == 200
        assert server.post("/v2/models/flowers/infer", REQUEST)[0] == 503
        assert server.post("/v2/repository/models/flowers/load", {})[0] == 200
        assert server.infer("flowers", REQUEST)["model_name"] == "flowers"


def test_a_model_of_a_fixed_number_of_rows_and_one_of_texts_are_served(tmp_path: Path) -> None:
    folders = [tmp_path / "fixed", tmp_path / "texts"]
    for folder in folders:
        folder.mkdir()
    save(
        folders[0] / "fixed.onnx",
        helper.make_node("Neg", ["x"], ["y"]),
        x=(TensorProto.DOUBLE, [2, 3]),
        y=(TensorProto.DOUBLE, [2, 3]),
    )
    save(
        folders[1] / "texts.onnx",
        helper.make_node("Identity", ["x"], ["y"]),
        x=(TensorProto.STRING, ["n"]),
        y=(TensorProto.STRING, ["n"]),
    )
    with serving(*folders) as server:
        fixed = {"name": "x", "datatype": "FP64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}
        assert server.infer("fixed", {"inputs": [fixed]})["outputs"][0]["data"] == [-1, -2, -3, -4, -5, -6]
        texts = {"name": "x", "datatype": "BYTES", "shape": [2], "data": ["Grüße", ""]}
        assert server.infer("texts", {"inputs": [texts]})["outputs"][0]["data"] == ["Grüße", ""]


def test_a_folder_without_any_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert refusal(tmp_path) == f"{tmp_path}: holds neither artifact.json nor an .onnx file; give the folder of a model"


def test_several_onnx_files_are_refused_by_name(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "models"))
    shutil.copy(folder / "flowers.onnx", folder / "other.onnx")
    told = refusal(folder)
    assert '"flowers.onnx", "other.onnx"' in told
    assert "leave just one of them there" in told


def test_a_file_that_is_no_onnx_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    assert f"{tmp_path}/broken.onnx cannot be loaded" in refusal(tmp_path)


def test_a_model_with_another_open_axis_than_the_rows_is_refused(tmp_path: Path) -> None:
    save(
        tmp_path / "open.onnx",
        helper.make_node("Neg", ["x"], ["y"]),
        x=(TensorProto.FLOAT, ["n", "width"]),
        y=(TensorProto.FLOAT, ["n", "width"]),
    )
    assert "only the first axis may be open" in refusal(tmp_path)


def test_a_model_that_fails_on_zeros_does_not_become_ready(tmp_path: Path) -> None:
    # It looks up the place that a value names, and has no place -100.
    nodes = [
        helper.make_node("Constant", [], ["offset"], value_ints=[-100]),
        helper.make_node("Constant", [], ["table"], value_ints=[7, 8, 9]),
        helper.make_node("Add", ["x", "offset"], ["place"]),
        helper.make_node("Gather", ["table", "place"], ["y"]),
    ]
    save(tmp_path / "failing.onnx", *nodes, x=(TensorProto.INT64, ["n"]), y=(TensorProto.INT64, ["n"]))
    told = refusal(tmp_path)
    assert "failing.onnx: the model fails on a request of zeros and empty texts" in told
    assert "portside pack --sample" in told


def test_what_is_left_of_an_artifact_without_its_manifest_is_not_served(model: Path, tmp_path: Path) -> None:
    folder = pack_onnx(model / "flowers.onnx", name="flowers", version="1", out=tmp_path)
    (folder / "artifact.json").unlink()
    assert refusal(folder).startswith(f"{folder}/artifact.json: cannot be read")


def test_a_configured_key_refuses_a_plain_onnx_file(model: Path, tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    key = tmp_path / "public.pem"
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    told = refusal(model, PREDICTOR_VERIFY_KEY=str(key))
    assert f"{model}/flowers.onnx: a plain ONNX file is not signed, though a key is configured" in told


def test_the_serving_path_needs_no_onnx_package(model: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('onnx', 'skl2onnx', 'pyarrow')))\n"  # importing any of these fails
        "from pathlib import Path\n"
        "from predictors import load\n"
        f"print(load(Path({str(model)!r})).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "flowers\n", done.stderr
