# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

import joblib
import orjson
import pytest

from pipelines.training_folder import read_model, write_training
from pipelines.use_cases import TrainedModel
from predictors import open_artifact
from predictors.errors import ArtifactError
from predictors.model_files.pickle_file import dump_joblib
from predictors.packing_files import pack_file


def test_a_training_run_goes_into_an_artifact_with_its_metrics_and_lineage(
    trained_spam: TrainedModel, tmp_path: Path
) -> None:
    write_training(trained_spam, tmp_path)
    artifact = pack_file(
        tmp_path / "model.joblib",
        name="spam",
        version="1",
        out=tmp_path / "models",
        sample=tmp_path / "sample.parquet",
        training=tmp_path / "training.json",
        no_onnx=True,
    )
    manifest = open_artifact(artifact.folder).manifest
    assert dict(manifest.metrics) == dict(trained_spam.metrics)
    assert manifest.lineage["data_digest"] == trained_spam.lineage["data_digest"]
    assert manifest.processing == "spam"


def test_two_runs_of_one_seed_write_the_same_bytes(trained_spam: TrainedModel, tmp_path: Path) -> None:
    write_training(trained_spam, tmp_path / "one")
    write_training(trained_spam, tmp_path / "other")
    assert (tmp_path / "one" / "model.joblib").read_bytes() == (tmp_path / "other" / "model.joblib").read_bytes()
    assert orjson.loads((tmp_path / "one" / "training.json").read_bytes())["tensors"] == "columns"


def test_the_model_is_read_as_it_was_written(trained_spam: TrainedModel, tmp_path: Path) -> None:
    write_training(trained_spam, tmp_path)

    dump_joblib(read_model(tmp_path), tmp_path / "again.joblib")

    assert (tmp_path / "again.joblib").read_bytes() == (tmp_path / "model.joblib").read_bytes()


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_trained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "portside", "train", "spam", "--out", "/dev/null/spam"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "portside: /dev/null/spam: cannot be written: Not a directory; give another --out\n"


def test_a_model_that_asks_for_anything_else_is_refused(tmp_path: Path) -> None:
    joblib.dump(print, tmp_path / "model.joblib")

    with pytest.raises(ArtifactError, match=r"loading it would import builtins\.print"):
        read_model(tmp_path)
