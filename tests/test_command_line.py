# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.predictors import transformers
from tests.predictors.servers import serving

FRAME = pd.DataFrame({"city": ["Oslo", "Bergen"] * 10, "age": np.arange(20.0), "bought": [0, 1] * 10})


def portside(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "portside", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fitted model and a sample, as a user has them."""
    folder = tmp_path_factory.mktemp("user")
    columns = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME[["city", "age"]], FRAME["bought"])
    joblib.dump(model, folder / "model.joblib", compress=3)
    FRAME.to_csv(folder / "rows.csv", index=False)
    FRAME.to_parquet(folder / "rows.parquet", index=False)
    return folder


def pack_words(files: Path, out: Path, sample: str = "rows.csv") -> list[str | Path]:
    words: list[str | Path] = ["pack", files / "model.joblib", "--name", "shop", "--version", "1.0.0", "--out", out]
    return [*words, "--sample", files / sample, "--target", "bought"]


def test_help_lists_every_command() -> None:
    ended = portside("--help")
    assert ended.returncode == 0
    assert {line.split()[0] for line in ended.stdout.splitlines() if line.startswith("  ")} >= {
        "train",
        "pack",
        "serve",
        "inspect",
        "predict",
        "publish",
    }


@pytest.mark.parametrize("command", ["train", "pack", "serve", "inspect", "predict", "publish"])
def test_every_command_explains_itself(command: str) -> None:
    ended = portside(command, "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"Usage: portside {command}")


def test_help_imports_no_heavy_library() -> None:
    code = "import sys, portside\ntry: portside.cli(['--help'])\nexcept SystemExit: print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "sklearn", "pandas", "kserve", "pydantic"} & set(ended.stdout.split())


@pytest.mark.parametrize("sample", ["rows.csv", "rows.parquet"])
def test_a_saved_model_is_packed_inspected_served_and_asked(files: Path, tmp_path: Path, sample: str) -> None:
    packed = portside(*pack_words(files, tmp_path, sample))
    assert packed.returncode == 0, packed.stderr
    folder = tmp_path / "shop" / "1.0.0"
    assert packed.stdout == f"packed {folder}\n"

    inspected = portside("inspect", folder)
    assert "city BYTES [rows]: one of Bergen, Oslo" in inspected.stdout
    assert "(serves)" in inspected.stdout
    told = orjson.loads(portside("inspect", folder, "--json").stdout)
    assert sum(scorer["serves"] for scorer in told["scorers"]) == 1

    request = tmp_path / "request.json"
    city = {"name": "city", "datatype": "BYTES", "shape": [1], "data": ["Oslo"]}
    age = {"name": "age", "datatype": told["signature"]["inputs"][1]["datatype"], "shape": [1], "data": [31]}
    request.write_bytes(orjson.dumps({"inputs": [city, age]}))
    with serving(folder) as server:
        url = f"http://127.0.0.1:{server.http_port}"
        asked = portside("predict", "shop", "--input", request, "--url", url, "--json")
        refused = portside("predict", "nope", "--input", request, "--url", url)
    answer = orjson.loads(asked.stdout)
    assert [output["name"] for output in answer["outputs"]] == ["label", "probabilities"]
    assert refused.returncode == 2
    assert 'no model "nope" is served here' in refused.stderr


def test_json_output_of_pack_names_the_folder_and_every_digest(files: Path, tmp_path: Path) -> None:
    told = orjson.loads(portside(*pack_words(files, tmp_path), "--json").stdout)
    assert Path(told["artifact"]) == tmp_path / "shop" / "1.0.0"
    assert {"golden.json", "reference.json"} < set(told["files"])


def test_packing_twice_from_files_gives_the_same_digests(files: Path, tmp_path: Path) -> None:
    one = orjson.loads(portside(*pack_words(files, tmp_path / "one"), "--json").stdout)
    other = orjson.loads(portside(*pack_words(files, tmp_path / "other"), "--json").stdout)
    assert one["files"] == other["files"]


def test_a_model_that_imports_something_else_needs_leave_before_it_is_loaded(files: Path, tmp_path: Path) -> None:
    X = FRAME[["age"]].to_numpy()
    model = make_pipeline(transformers.Clip(0, 9), LogisticRegression()).fit(X, FRAME["bought"])
    joblib.dump(model, tmp_path / "own.joblib")
    pd.DataFrame({"age": X[:, 0]}).to_csv(tmp_path / "rows.csv", index=False)
    words: list[str | Path] = ["pack", tmp_path / "own.joblib", "--name", "own", "--version", "1"]
    words += ["--out", tmp_path / "out", "--sample", tmp_path / "rows.csv"]
    refused = portside(*words)
    assert refused.returncode == 2
    assert "own.joblib" in refused.stderr
    assert "--allow-pickle" in refused.stderr
    allowed = portside(*words, "--allow-pickle", "--allow-import", "tests.predictors.transformers")
    assert allowed.returncode == 0, allowed.stderr


BAD: dict[str, tuple[list[str], str]] = {
    "no such model file": (["pack", "nope.joblib", "--name", "a", "--version", "1", "--out", "o"], "nope.joblib"),
    "no sample": (["pack", "{files}/model.joblib", "--name", "a", "--version", "1", "--out", "{out}"], "--sample"),
    "a sample of another kind": (
        ["pack", "{files}/model.joblib", "--name", "a", "--version", "1", "--out", "{out}", "--sample", "README.md"],
        "README.md: a sample must be",
    ),
    "a model file of another kind": (
        ["pack", "README.md", "--name", "a", "--version", "1", "--out", "{out}"],
        "README.md",
    ),
    "a bad name": (
        [
            "pack",
            "{files}/model.joblib",
            "--name",
            "a/b",
            "--version",
            "1",
            "--out",
            "{out}",
            "--sample",
            "{files}/rows.csv",
        ],
        'the name "a/b"',
    ),
    "no artifact": (["inspect", "{files}"], "artifact.json"),
    "no folder": (["serve", "nowhere"], "nowhere"),
    "a folder without an artifact": (["serve", "{files}", "--http-port", "0", "--grpc-port", "0"], "artifact.json"),
    "no server": (
        ["predict", "m", "--input", "examples/spam-request.json", "--url", "http://127.0.0.1:9"],
        "is the server running",
    ),
    "an unknown use case": (["train", "nope", "--out", "{out}"], "nope"),
    "an unknown command": (["frobnicate"], "frobnicate"),
    "an unknown option": (["inspect", "{files}", "--colour"], "--colour"),
}


@pytest.mark.parametrize(("words", "told"), BAD.values(), ids=BAD)
def test_wrong_use_ends_with_exit_code_2_and_a_sentence(
    words: list[str], told: str, files: Path, tmp_path: Path
) -> None:
    ended = portside(*(word.format(files=files, out=tmp_path / "out") for word in words))
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()
