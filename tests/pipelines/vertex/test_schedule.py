# SPDX-License-Identifier: Apache-2.0
"""Schedules: created with a time zone, replaced rather than piled up, refused where the time is none."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import PipelineError
from pipelines.vertex import schedule
from tests.pipelines.vertex.fake_vertex import PARENT, PROJECT, REGION, FakeVertex
from tests.pipelines.vertex.rules import Refusal


def words(**changed: Any) -> dict[str, Any]:
    usual = {
        "project": PROJECT,
        "region": REGION,
        "root": "gs://models/.pipelines",
        "name": "spam",
        "parameters": {"use_case": "spam"},
        "cron": "0 3 * * 1",
    }
    return {**usual, **changed}


def test_a_schedule_starts_the_very_job_that_would_be_submitted(spec_path: Path, vertex: FakeVertex) -> None:
    name = schedule.create(spec_path, **words(labels={"model": "spam"}, caching=False))
    made = vertex.schedules[name]
    assert name.startswith(f"{PARENT}/schedules/")
    assert (made["displayName"], made["cron"]) == ("spam", "TZ=UTC 0 3 * * 1")
    wanted = schedule.request(spec_path, **words(labels={"model": "spam"}, caching=False))["schedule"]
    assert made["createPipelineJobRequest"] == wanted["createPipelineJobRequest"]


def test_a_time_zone_of_ones_own_is_told_with_the_time(spec_path: Path, vertex: FakeVertex) -> None:
    name = schedule.create(spec_path, **words(cron="*/15 8-18 1,15 JAN-JUN mon-fri", time_zone="Europe/Berlin"))
    assert vertex.schedules[name]["cron"] == "TZ=Europe/Berlin */15 8-18 1,15 JAN-JUN mon-fri"


def test_schedules_of_the_same_name_are_replaced_and_others_stay(spec_path: Path, vertex: FakeVertex) -> None:
    first = schedule.create(spec_path, **words())
    vertex.schedules["by-hand"] = {**vertex.schedules[first], "name": f"{PARENT}/schedules/1"}
    vertex.schedules[f"{PARENT}/schedules/1"] = vertex.schedules.pop("by-hand")
    other = schedule.create(spec_path, **words(name="maintenance"))
    second = schedule.create(spec_path, **words(cron="0 4 * * *"))
    assert set(vertex.schedules) == {other, second}


def test_a_former_schedule_that_stays_is_told(spec_path: Path, vertex: FakeVertex) -> None:
    first = schedule.create(spec_path, **words())
    vertex.failures["delete"] = (13, "Internal error.")
    with pytest.raises(PipelineError, match=f"the former schedule {first} is still there .*Internal error.*delete it"):
        schedule.create(spec_path, **words())
    assert len(vertex.schedules) == 2


def test_a_refused_schedule_leaves_the_former_one(spec_path: Path, vertex: FakeVertex) -> None:
    first = schedule.create(spec_path, **words())
    vertex.refusals["schedules"] = Refusal(400, "Too many schedules.")
    with pytest.raises(PipelineError, match=r"^Vertex AI refuses: Too many schedules$"):
        schedule.create(spec_path, **words())
    assert set(vertex.schedules) == {first}


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("@weekly", 'the time "@weekly" has 1 fields and must have 5'),
        ("0 3 * * 1 2026", 'the time "0 3 * * 1 2026" has 6 fields'),
        ("60 3 * * 1", 'the minute "60" in the time "60 3 * * 1" is none: it is from 0 to 59'),
        ("0 3 * * fry", 'the day of the week "fry" in the time'),
        ("0 5-3 * * *", 'the hour "5-3" in the time'),
        ("0 3 31 2 *", 'the time "0 3 31 2 *" never comes'),
    ],
)
def test_a_time_that_is_none_is_told_before_vertex_is_asked(spec_path: Path, cron: str, told: str) -> None:
    with pytest.raises(PipelineError, match=f"^{re.escape(told)}"):
        schedule.request(spec_path, **words(cron=cron))


def test_an_unknown_time_zone_is_told(spec_path: Path) -> None:
    with pytest.raises(PipelineError, match='"Europe/Atlantis" is no time zone'):
        schedule.request(spec_path, **words(time_zone="Europe/Atlantis"))
