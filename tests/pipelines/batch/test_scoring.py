# SPDX-License-Identifier: Apache-2.0
"""Batches of rows scored by the champion, through the command line: the served numbers, written once."""

import io
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from kfp.dsl import Metrics

from pipelines.batch import scoring
from pipelines.batch.command import score
from pipelines.registry import open_registry
from pipelines.steps.score_batch import score_batch
from pipelines.use_cases import TrainedModel, maintenance, recommender, spam
from predictors import load
from predictors.golden import request_document
from predictors.model_inputs import disassemble
from predictors.served_model import ServedModel
from tests.pipelines.registry.conftest import KEYS
from tests.pipelines.registry.s3_server import Store, s3_server
from tests.predictors.servers import serving
from tests.trained_models import pack_trained

BATCH = "2026-11-25T10"
ROWS = 150


@pytest.fixture(scope="module")
def packed(
    trained_spam: TrainedModel,
    trained_maintenance: TrainedModel,
    trained_recommender: TrainedModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("packed")
    trained = {"spam": trained_spam, "maintenance": trained_maintenance, "recommender": trained_recommender}
    return {name: pack_trained(model, name, out) for name, model in trained.items()}


@pytest.fixture(scope="module")
def models(packed: dict[str, Path]) -> dict[str, ServedModel]:
    return {name: load(folder) for name, folder in packed.items()}


@pytest.fixture(scope="module")
def root(packed: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("registry")
    registry = open_registry(str(place))
    for name, folder in packed.items():
        registry.publish(folder)
        registry.tag(name, "champion", "1.0.0")
    return place


@pytest.fixture(scope="module")
def machines() -> pd.DataFrame:
    rows = maintenance.load().head(ROWS)
    return rows.assign(machine=[f"M-{place:04d}" for place in range(len(rows))])


def run(*words: object) -> Result:
    return CliRunner().invoke(score, [str(word) for word in words])


def done(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def refusal(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 1
    return str(result.exception)


def served(model: ServedModel, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the answers that clients get who ask for one row each."""
    specs = tuple(spec for spec in model.signature.inputs if spec.default is None)
    answers = []
    for place in range(len(rows)):
        document = request_document(disassemble(rows.iloc[[place]], specs), specs)
        outputs = json.loads(model.answer(json.dumps(document).encode()).body)["outputs"]
        one = {each["name"]: each["data"] if len(each["shape"]) > 1 else each["data"][0] for each in outputs}
        answers.append(one)
    return answers


def predictions(path: Path, *names: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).select(names).to_pylist()
    return rows


def test_each_row_of_a_csv_file_gets_the_served_numbers_bit_for_bit(
    root: Path, machines: pd.DataFrame, models: dict[str, ServedModel], tmp_path: Path
) -> None:
    machines.drop(columns="failure").to_csv(tmp_path / "hour.csv", index=False)
    said = done("maintenance", "--root", root, "--data", tmp_path / "hour.csv", "--out", tmp_path, "--batch", BATCH)
    path = tmp_path / "maintenance" / BATCH / "predictions.parquet"
    assert said == f"scored 150 rows of batch {BATCH} with maintenance 1.0.0: {path}\n"
    table = pq.read_table(path)
    assert table.column("row").to_pylist() == list(range(ROWS))
    assert table.column("machine").to_pylist() == machines["machine"].tolist()
    assert set(table.column("model_version").to_pylist()) == {"1.0.0"}
    expected = served(models["maintenance"], maintenance.features(machines))
    assert predictions(path, "failure", "failure_probability") == expected


def test_a_server_gives_the_same_numbers_over_http(
    root: Path, packed: dict[str, Path], machines: pd.DataFrame, models: dict[str, ServedModel], tmp_path: Path
) -> None:
    machines.to_parquet(tmp_path / "hour.parquet", index=False)
    done("maintenance", "--root", root, "--data", tmp_path / "hour.parquet", "--out", tmp_path, "--batch", BATCH)
    rows = predictions(tmp_path / "maintenance" / BATCH / "predictions.parquet", "failure", "failure_probability")
    specs = models["maintenance"].signature.inputs
    document = request_document(disassemble(machines, specs), specs)
    with serving(packed["maintenance"]) as server:
        answer = {each["name"]: each["data"] for each in server.infer("maintenance", document)["outputs"]}
    assert answer == {name: [row[name] for row in rows] for name in rows[0]}


def test_texts_in_a_parquet_file_are_scored_as_they_are_served(
    root: Path, models: dict[str, ServedModel], tmp_path: Path
) -> None:
    messages = spam.load().head(ROWS)
    messages.to_parquet(tmp_path / "messages.parquet", index=False)
    done("spam", "--root", root, "--data", tmp_path / "messages.parquet", "--out", tmp_path, "--batch", BATCH)
    path = tmp_path / "spam" / BATCH / "predictions.parquet"
    assert pq.read_table(path).column_names == [
        "row",
        "text",
        "label",
        "spam_probability",
        "model_version",
    ]
    assert predictions(path, "label", "spam_probability") == served(models["spam"], messages)


def test_without_data_the_use_cases_own_source_is_scored(
    root: Path, models: dict[str, ServedModel], tmp_path: Path
) -> None:
    done("recommender", "--root", root, "--out", tmp_path, "--batch", BATCH)
    path = tmp_path / "recommender" / BATCH / "predictions.parquet"
    users = recommender.features(recommender.load())
    assert pq.read_table(path).column("user_id").to_pylist() == users["user_id"].tolist()
    rows = predictions(path, "item_ids", "scores", "known_user")[:20]
    expected = served(models["recommender"], users.head(20))
    assert [(row["item_ids"], row["scores"], row["known_user"]) for row in rows] == [
        (each["item_ids"], each["scores"], each["known_user"]) for each in expected
    ]


def test_the_same_batch_is_never_scored_twice(root: Path, machines: pd.DataFrame, tmp_path: Path) -> None:
    machines.to_csv(tmp_path / "hour.csv", index=False)
    words = ("maintenance", "--root", root, "--data", tmp_path / "hour.csv", "--out", tmp_path, "--batch", BATCH)
    done(*words)
    path = tmp_path / "maintenance" / BATCH / "predictions.parquet"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    (tmp_path / "hour.csv").unlink()
    assert done(*words) == f"batch {BATCH} of maintenance was scored before, and is left as it is: {path}\n"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_of_several_that_score_a_batch_at_once_one_writes_it(
    root: Path, machines: pd.DataFrame, tmp_path: Path
) -> None:
    machines.head(3).to_csv(tmp_path / "hour.csv", index=False)
    words = ("maintenance", "--root", root, "--data", tmp_path / "hour.csv", "--out", tmp_path, "--json")
    with ThreadPoolExecutor(4) as threads:
        # click's runner swaps the streams of the whole process, so the function below it is raced.
        where: dict[str, Any] = {"root": str(root), "out": str(tmp_path), "data": str(tmp_path / "hour.csv")}
        asked = [threads.submit(scoring.score, "maintenance", batch=BATCH, **where) for _ in range(4)]
        results = [each.result() for each in asked]
    assert sorted(result.new for result in results) == [False, False, False, True]
    assert json.loads(done(*words, "--batch", BATCH))["new"] is False
    assert [path.name for path in (tmp_path / "maintenance" / BATCH).iterdir()] == ["predictions.parquet"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.drop(columns="torque"), 'has no column "torque", which the model takes'),
        (
            lambda rows: rows.assign(torque=rows["torque"].where(rows.index != 7)),
            'column "torque" has no value in row 7',
        ),
        (
            lambda rows: rows.assign(torque=rows["torque"].astype(object).where(~rows.index.isin([3, 99]), "much")),
            "column \"torque\": 2 values cannot be read as a finite number, such as 'much', in rows 3 and 99",
        ),
        (
            lambda rows: rows.assign(tool_wear=rows["tool_wear"].astype(float).where(rows.index != 5, 1.5)),
            "column \"tool_wear\": 1 value cannot be read as a whole number of that size, such as '1.5', in row 5",
        ),
        (
            lambda rows: rows.assign(torque=rows["torque"].where(rows.index != 8, float("inf"))),
            "column \"torque\": 1 value cannot be read as a finite number, such as 'inf', in row 8",
        ),
        (
            lambda rows: rows.assign(product_type=rows["product_type"].where(~rows.index.isin([70, 100]), "X")),
            'product_type must be one of H, L, M; row 70 has "X"; it refuses rows 70, 100',
        ),
        (lambda rows: rows.assign(model_version="1"), 'has the column "model_version", as the predictions have'),
        (lambda rows: rows.head(0), "has no rows"),
    ],
    ids=["column", "missing", "text", "fraction", "infinite", "value", "clash", "empty"],
)
def test_rows_that_cannot_be_scored_are_refused_by_column_and_row(
    root: Path, machines: pd.DataFrame, tmp_path: Path, change: Any, sentence: str
) -> None:
    change(machines.drop(columns="failure")).to_csv(tmp_path / "hour.csv", index=False)
    told = refusal("maintenance", "--root", root, "--data", tmp_path / "hour.csv", "--out", tmp_path, "--batch", BATCH)
    assert told.startswith(f"{tmp_path / 'hour.csv'}: {sentence}")
    assert not (tmp_path / "maintenance").exists()


def test_a_model_without_a_champion_is_told_how_to_get_one(packed: dict[str, Path], tmp_path: Path) -> None:
    open_registry(str(tmp_path / "new")).publish(packed["spam"])
    told = refusal("spam", "--root", tmp_path / "new", "--out", tmp_path, "--batch", BATCH)
    assert told.startswith(f"{tmp_path / 'new'}: spam has no champion to score with; train one with `portside pipeline")


def test_a_champion_whose_files_were_changed_scores_nothing(root: Path, machines: pd.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "changed")
    with (tmp_path / "changed" / "maintenance" / "1.0.0" / "golden.json").open("a") as file:
        file.write(" ")
    machines.to_csv(tmp_path / "hour.csv", index=False)
    words = ("--data", tmp_path / "hour.csv", "--out", tmp_path, "--batch", BATCH)
    assert "golden.json" in refusal("maintenance", "--root", tmp_path / "changed", *words)
    assert not (tmp_path / "maintenance").exists()


@pytest.mark.parametrize("batch", ["../up", "a/b", " ", "-x"])
def test_a_name_that_would_lead_elsewhere_is_no_batch(root: Path, tmp_path: Path, batch: str) -> None:
    told = refusal("spam", "--root", root, "--out", tmp_path, f"--batch={batch}")
    assert told.startswith(f'"{batch}" names no batch')


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    with s3_server(KEYS) as running:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        with running.bucket():
            yield running


def test_the_step_scores_from_a_bucket_into_one_and_counts_rows(
    store: Store, packed: dict[str, Path], machines: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = open_registry("s3://models/registry")
    registry.publish(packed["maintenance"])
    registry.tag("maintenance", "champion", "1.0.0")
    store.put("in/hour.csv", machines.to_csv(index=False).encode())
    metrics = Metrics()
    for _ in range(2):
        score_batch(
            use_case="maintenance",
            root="s3://models/registry",
            data="s3://models/in/hour.csv",
            out="s3://models/out",
            batch=BATCH,
            metrics=metrics,
        )
    key = f"out/maintenance/{BATCH}/predictions.parquet"
    assert len(pq.read_table(io.BytesIO(store.get(key)))) == ROWS
    assert store.objects("out/") == [key]
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"scored 150 rows of batch {BATCH} with maintenance 1.0.0: s3://models/{key}",
        f"batch {BATCH} of maintenance was scored before, and is left as it is: s3://models/{key}",
    ]
    assert metrics.metadata == {"rows": 0}
