# SPDX-License-Identifier: Apache-2.0
"""Runs are read as they were written, and what is no run is refused."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from loadtests.environment import describe_environment
from loadtests.errors import LoadTestError
from loadtests.run import Run
from tests.loadtests.runs import make_run


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    make_run(seconds=5, rate=20, failed=0.1, warmup=1.5).write(path)
    return path


def test_a_run_is_read_as_it_was_written(written: Path) -> None:
    run, again = make_run(seconds=5, rate=20, failed=0.1, warmup=1.5), Run.read(written)
    assert again.measurements.to_json() == run.measurements.to_json()
    others = [field.name for field in fields(Run) if field.name != "measurements"]
    assert {name: getattr(again, name) for name in others} == {name: getattr(run, name) for name in others}


def test_a_run_that_was_read_is_written_byte_for_byte_the_same(written: Path, tmp_path: Path) -> None:
    Run.read(written).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == written.read_bytes()


def test_a_run_with_names_that_no_file_can_hold_is_kept(tmp_path: Path) -> None:
    run = make_run(seconds=2, rate=5, versions=("\ud800", "ü\n\0"))
    run.write(tmp_path / "run.json")
    versions = Run.read(tmp_path / "run.json").measurements.tallies(lambda key: key.version)
    assert set(versions) == {"\ud800", "ü\n\0"}


def test_evidence_is_what_was_measured() -> None:
    run = make_run(seconds=10, rate=20, failed=0.2, dropped=0.1, warmup=2, cpu=0.4, workers=3)
    evidence = run.evidence()
    total = run.measurements.total
    assert sum(one.requests for one in evidence.seconds) == total.requests > 0
    assert sum(one.failed for one in evidence.seconds) == total.failed > 0
    assert evidence.dropped == sum(run.measurements.dropped.values()) > 0
    assert evidence.asked == total.requests + evidence.dropped
    assert (evidence.cpu, evidence.workers) == (0.4, 3)
    assert evidence.lag_p99_us == run.measurements.lag.percentile(0.99)
    assert min(one.second for one in evidence.seconds) == 2


def test_rates_are_those_after_the_warmup() -> None:
    run = make_run(seconds=10, rate=20, warmup=2)
    assert run.asked_rate == run.achieved_rate == sum(run.asked[2:]) / 8


def test_a_run_that_measured_nothing_has_evidence_and_a_line() -> None:
    run = make_run(seconds=2, rate=0)
    assert (run.evidence().seconds, run.evidence().lag_p99_us) == ([], 0)
    assert "0 requests/s asked" in run.generator_line()


@pytest.mark.parametrize("name", [*(field.name for field in fields(Run)), "schema"])
def test_a_run_with_something_missing_is_refused(written: Path, name: str) -> None:
    change(written, lambda told: told.pop(name))
    with pytest.raises(LoadTestError, match=r"run\.json: not a run of a load test"):
        Run.read(written)


@pytest.mark.parametrize(
    "damage",
    [
        {"more": 1},
        {"asked": "12"},
        {"asked": [1.5]},
        {"asked": None},
        {"seconds": "10"},
        {"seconds": float("nan")},
        {"cpu": float("inf")},
        {"seed": 1.5},
        {"workers": None},
        {"options": {"--rate": 5}},
        {"environment": []},
        {"measurements": {}},
    ],
    ids=str,
)
def test_a_run_with_something_else_in_it_is_refused(written: Path, damage: dict[str, object]) -> None:
    change(written, lambda told: told.update(damage))
    with pytest.raises(LoadTestError, match=r"run\.json: not a run of a load test"):
        Run.read(written)


def test_another_schema_is_named(written: Path) -> None:
    change(written, lambda told: told.update(schema="portside.dev/loadtest-run/v0"))
    with pytest.raises(LoadTestError, match=r"another schema than portside\.dev/loadtest-run/v1"):
        Run.read(written)


@pytest.mark.parametrize("text", ["", "[]", "5", "{", "\x80"], ids=repr)
def test_a_file_that_holds_no_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LoadTestError, match=r"run\.json: not a run of a load test"):
        Run.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r"none\.json: not a run of a load test"):
        Run.read(tmp_path / "none.json")


def test_the_environment_is_plain_and_finite() -> None:
    told = describe_environment()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert None not in (told["cores"], told["python"], told["locust"])


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads(path.read_text())
    how(told)
    path.write_text(json.dumps(told))
