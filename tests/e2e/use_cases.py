# SPDX-License-Identifier: Apache-2.0
"""The three use cases as their people make them: trained on their data, packed, asked what they were packed with."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.utils import triton_to_np_dtype

NAMES = ("maintenance", "recommender", "spam")
VERSION = "1.0.0"

_TRAIN_SECONDS = 600


def make_artifact(name: str, out: Path) -> Path:
    """Train a use case, pack it as version 1.0.0 and return its folder."""
    work = out / "training" / name
    portside("train", name, "--out", str(work))
    files = ("--sample", str(work / "sample.parquet"), "--training", str(work / "training.json"))
    portside("pack", str(work / "model.joblib"), "--name", name, "--version", VERSION, *files, "--out", str(out))
    return out / name / VERSION


def golden_tensors(artifact: Path) -> list[dict[str, npt.NDArray[Any]]]:
    """Return the inputs of the artifact's golden requests that the model answers."""
    golden = json.loads((artifact / "golden.json").read_bytes())
    return [_tensors(each["request"]) for each in golden["requests"] if each["outputs"] is not None]


def portside(
    *words: str, check: bool = True, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line; AssertionError with what it said when it fails and that matters."""
    done = subprocess.run(
        [sys.executable, "-m", "portside", *words],
        capture_output=True,
        text=True,
        timeout=_TRAIN_SECONDS,
        env={**os.environ, **(environ or {})},
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"portside {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def _tensors(request: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    return {
        tensor["name"]: np.array(tensor["data"], dtype=triton_to_np_dtype(tensor["datatype"])).reshape(tensor["shape"])
        for tensor in request["inputs"]
    }
