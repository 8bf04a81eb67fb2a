# SPDX-License-Identifier: Apache-2.0
"""Claims on a model: of many that would begin a run, one does, on a folder and on S3, among threads and processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.registry import Records, RegistryError, open_registry
from pipelines.running.claims import Claim, Claims
from pipelines.running.process import is_gone, this_process
from tests.pipelines.registry.conftest import KEYS
from tests.pipelines.registry.s3_server import Store, s3_server
from tests.pipelines.running.racing import DEAD, race

PROCESSES = 8


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with s3_server(KEYS) as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def root(
    request: pytest.FixtureRequest, server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
        monkeypatch.setenv(name, value)
    with server.bucket():
        yield str(tmp_path / "registry") if request.param == "folder" else "s3://models/registry"


@pytest.fixture
def records(root: str) -> Records:
    return open_registry(root).records


def never(_: Claim) -> bool:
    return False


def always(_: Claim) -> bool:
    return True


def take(claims: Claims, run: str, is_over: Any = never) -> Claim:
    return claims.take(run, "drift", {"backend": "test"}, is_over)


def test_one_claims_and_others_learn_which_run_it_is(records: Records) -> None:
    first = take(Claims(records, "spam"), "one")
    second = take(Claims(records, "spam"), "two")
    assert (first.run, first.mine) == ("one", True)
    assert (second.run, second.mine, second.because, second.since) == ("one", False, "drift", first.since)
    assert second.where == {"backend": "test"}
    assert take(Claims(records, "maintenance"), "three").mine


def test_a_claim_that_was_given_back_is_free(records: Records) -> None:
    claims = Claims(records, "spam")
    claims.release(take(claims, "one"))
    assert claims.current() is None
    assert take(claims, "two").mine
    assert records.names(".claims/spam") == {"000003.json"}


def test_a_run_gives_back_its_own_claim_by_its_name_and_no_other(records: Records) -> None:
    claims = Claims(records, "spam")
    take(claims, "one")
    claims.release_run("two")
    assert claims.current() is not None
    claims.release_run("one")
    assert claims.current() is None
    claims.release_run("one")


def test_a_claim_whose_run_is_over_is_taken_over_and_its_owner_leaves_the_new_one(records: Records) -> None:
    claims = Claims(records, "spam")
    first = take(claims, "one")
    second = take(claims, "two", always)
    assert second.mine
    claims.release(first)
    assert claims.current() == second


def test_a_claim_older_than_the_limit_is_taken_over_though_nobody_says_that_it_is_over(records: Records) -> None:
    take(Claims(records, "spam"), "one")
    assert not take(Claims(records, "spam", limit=timedelta(hours=1)), "two").mine
    assert take(Claims(records, "spam", limit=timedelta(seconds=-1)), "three").mine


def test_a_writer_that_slept_while_others_went_on_does_not_win_by_a_number_that_was_cleared(records: Records) -> None:
    claims = Claims(records, "spam")
    first = take(claims, "one")

    def sleeps(_: Claim) -> bool:
        # Between this writer's look and its note three others come and go, and their notes are cleared away.
        claims.release(first)
        claims.release(take(claims, "two"))
        take(claims, "three")
        return True

    woken = claims.take("slow", "drift", {}, lambda held: sleeps(held) if held.run == "one" else False)
    assert (woken.run, woken.mine) == ("three", False)
    assert records.names(".claims/spam") == {"000005.json"}


def test_something_else_in_a_claims_place_is_named(records: Records) -> None:
    records.write(".claims/spam/000001.json", b"{}")
    with pytest.raises(RegistryError, match=r"\.claims/spam/000001\.json in the registry is no claim of ours; delete"):
        take(Claims(records, "spam"), "one")


def test_of_threads_that_claim_at_once_one_does(records: Records) -> None:
    with ThreadPoolExecutor(PROCESSES) as threads:
        taken = list(threads.map(lambda run: take(Claims(records, "spam"), run), map(str, range(PROCESSES))))
    assert sum(each.mine for each in taken) == 1
    assert {each.run for each in taken} == {each.run for each in taken if each.mine}


@pytest.mark.parametrize("before", [[], [DEAD]], ids=["free", "dead"])
def test_of_eight_processes_that_claim_at_once_one_does(root: str, before: list[str]) -> None:
    claims = Claims(open_registry(root).records, "spam")
    for run in before:
        take(claims, run)
    said = race(root, PROCESSES)
    winners = [run for run, mine in said if mine]
    assert len(said) == PROCESSES
    assert len(winners) == 1
    assert {run for run, _ in said} == set(winners)
    current = claims.current()
    assert current is not None
    assert current.run == winners[0]


def test_a_process_is_gone_when_it_has_ended_and_not_before() -> None:
    code = "import json, sys; from pipelines.running.process import this_process; print(json.dumps(this_process()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ended = json.loads(told)
    assert is_gone(ended)
    assert not is_gone(this_process())
    assert is_gone({**this_process(), "began": "1"})
    assert not is_gone({**ended, "host": "another machine"})
