# SPDX-License-Identifier: Apache-2.0
"""The steps from a run's start to data that a model may be trained on, as Kubeflow runs them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.__main__ import main
from pipelines.registry import Registry, open_registry
from pipelines.use_cases import Parts, TrainedModel, maintenance
from tests.pipelines.data.champions import publish_champion

PARTS = Parts._fields
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(autouse=True)
def _run_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTSIDE_RUN", "restored afterwards")


@pytest.fixture(scope="module")
def registry(
    trained_maintenance: TrainedModel, product_parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> Registry:
    """Holds the champion of maintenance, and nothing of spam."""
    root = tmp_path_factory.mktemp("data_steps") / "registry"
    publish_champion(root, "maintenance", trained_maintenance, product_parts)
    return open_registry(str(root))


def test_a_run_goes_from_its_inputs_to_valid_data(
    registry: Registry, tmp_path: Path, product_parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = resolved(registry, tmp_path, "maintenance")
    assert (outputs["champion"], outputs["version"], outputs["reason"]) == ("1.0.0", "1.1.0", "drift")
    assert "maintenance: champion 1.0.0, a better challenger becomes 1.1.0" in capsys.readouterr().out
    load(registry, tmp_path, "maintenance", digest=outputs["data_digest"])
    for part, expected in zip(PARTS, product_parts, strict=True):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / part), expected)
    validated(registry, tmp_path, "maintenance")
    assert "the data pass 7 checks" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "output.json").read_text())["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert (metrics["checks_failed"], metrics["findings"], metrics["rows_train"]) == (0, 0, 6000)
    assert metrics["psi_torque"] < 0.01
    assert "PASSED" in (tmp_path / "report").read_text()


def test_the_first_run_of_a_model_needs_no_champion(
    registry: Registry, tmp_path: Path, messages: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "data.csv"
    messages.to_csv(file, index=False)
    outputs = resolved(registry, tmp_path, "spam", file)
    assert (outputs["champion"], outputs["version"]) == ("", "1.0.0")
    load(registry, tmp_path, "spam", file, digest=outputs["data_digest"])
    validated(registry, tmp_path, "spam", champion="")
    assert "the data pass 5 checks" in capsys.readouterr().out
    messages[1:].to_csv(file, index=False)
    said = refusal(capsys, lambda: load(registry, tmp_path, "spam", file, digest=outputs["data_digest"]))
    assert said.startswith(f"refused: {file}: the data have changed since the run began (sha256:")
    assert registry.records.read(".runs/spam/run-1/refused.json") is not None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda rows: rows.assign(air_temperature=rows["air_temperature"] + 5),
            'column "air_temperature": has moved from the champion\'s data by PSI',
        ),
        (
            lambda rows: rows.assign(failure=~rows["failure"]),
            'column "failure": 96.6 % of the rows (9,656 of 10,000) are "True"',
        ),
        (
            lambda rows: pd.concat([rows, rows[:400]], ignore_index=True),
            "rows of test are in train too, the same by all readings: rows",
        ),
    ],
    ids=["a column shifted", "labels flipped", "copies of rows"],
)
def test_poisoned_data_stop_at_validation_and_the_champion_stays(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Spoil, said: str
) -> None:
    file = tmp_path / "data.parquet"
    spoil(maintenance.load()).to_parquet(file)
    digest = resolved(registry, tmp_path, "maintenance", file)["data_digest"]
    load(registry, tmp_path, "maintenance", file, digest=digest)
    told = refusal(capsys, lambda: validated(registry, tmp_path, "maintenance"))
    assert said in told
    assert told.endswith("(row 0 is the first); correct the data")
    assert registry.aliases("maintenance").champion == "1.0.0"
    assert "FAILED" in (tmp_path / "report").read_text()
    assert json.loads(registry.records.read(".runs/maintenance/run-1/refused.json") or b"")["step"] == "validate_data"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"", "data.csv: the file is empty"),
        ("data.parquet", b"PAR1 and no more", "data.parquet: cannot be read as Parquet"),
        ("data.csv", b"kind,message\nham,hello\n", 'data.csv: has no columns "label", "text"'),
        ("data.csv", b"label,text\nham,hello\nspam,win\n", "the 2 rows cannot be split"),
        ("data.csv", b"label,text\nmaybe,hello\nham,\n", "the rule \"ham or spam\", such as 'maybe', in row 0"),
    ],
    ids=["empty", "no Parquet", "other columns", "too few rows", "other labels"],
)
def test_files_that_are_no_data_stop_before_any_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    registry, file = open_registry(str(tmp_path / "registry")), tmp_path / name
    file.write_bytes(content)

    def begin() -> None:
        load(registry, tmp_path, "spam", file, digest=resolved(registry, tmp_path, "spam", file)["data_digest"])

    assert said in refusal(capsys, begin)


def refusal(capsys: pytest.CaptureFixture[str], step: Callable[[], object]) -> str:
    """Return the line in which a step refuses."""
    with pytest.raises(SystemExit, match="1"):
        step()
    (line,) = capsys.readouterr().err.splitlines()
    return line


def resolved(registry: Registry, work: Path, name: str, file: Path | None = None) -> dict[str, str]:
    """Run resolve_inputs and return its outputs."""
    names = ("data_digest", "champion", "version", "fingerprint", "reason")
    words = {"data": str(file or ""), "seed": 0, "because": "drift", "deploy_to": "local", "namespace": "models"}
    outputs = {"parameters": {output: {"outputFile": str(work / "outputs" / output)} for output in names}}
    step("resolve_inputs", registry, work, name, words, outputs=outputs)
    return {output: (work / "outputs" / output).read_text() for output in names}


def load(registry: Registry, work: Path, name: str, file: Path | None = None, *, digest: str, seed: int = 0) -> None:
    """Run load_data, whose datasets are in the folder by the names of the parts."""
    words = {"data": str(file or ""), "data_digest": digest, "seed": seed}
    outputs = {part: artifact(part, "system.Dataset", work / part) for part in PARTS}
    step("load_data", registry, work, name, words, outputs={"artifacts": outputs})


def validated(registry: Registry, work: Path, name: str, champion: str = "1.0.0") -> None:
    """Run validate_data on what load_data left there."""
    inputs = {part: artifact(part, "system.Dataset", work / part) for part in PARTS}
    kinds = {"report": "system.HTML", "metrics": "system.Metrics"}
    outputs = {output: artifact(output, title, work / output) for output, title in kinds.items()}
    step("validate_data", registry, work, name, {"champion": champion}, inputs=inputs, outputs={"artifacts": outputs})


def artifact(name: str, title: str, path: Path) -> dict[str, Any]:
    one = {"name": name, "type": {"schemaTitle": title, "schemaVersion": "0.0.1"}, "uri": str(path), "metadata": {}}
    return {"artifacts": [one]}


def step(
    called: str,
    registry: Registry,
    work: Path,
    name: str,
    parameters: Mapping[str, Any],
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any],
) -> None:
    """Run a step as its container does."""
    given = {"use_case": name, "root": registry.root, **parameters}
    executor_input = {
        "inputs": {"parameterValues": given, "artifacts": inputs or {}},
        "outputs": {"outputFile": str(work / "output.json"), **outputs},
    }
    main([called, "--run", "run-1", "--executor_input", json.dumps(executor_input)])
