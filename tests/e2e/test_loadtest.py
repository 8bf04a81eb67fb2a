# SPDX-License-Identifier: Apache-2.0
"""Load tests through the Gateway: from outside, as a Job inside the cluster, and distributed over several pods."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from loadtests.timetable import make_timetable, parse_phases
from tests.busy_machines import measures
from tests.e2e.gateway import GRPC_PORT, HTTP_PORT, Service
from tests.e2e.kubernetes import Namespace, restricted_namespace
from tests.e2e.load_job import SLO, run_load_job, worker_exit_codes
from tests.e2e.object_store import forget, read
from tests.e2e.pods import answered, scale
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

#: A minute decides about its percentiles, however slow requests come in bunches.
DECIDABLE = "latency: {p50: 20ms, p95: 100ms}\nerror_rate: 0.001\n"
IMPOSSIBLE = "latency: {p50: 100us}\n"

INSIDE = ("--host=http://spam.localhost", "--grpc-host=spam.localhost:8081")
OUTSIDE = (f"--host=http://spam.localhost:{HTTP_PORT}", f"--grpc-host=spam.localhost:{GRPC_PORT}")


@pytest.fixture
def namespace(platform: None, loadtest_image: str) -> Iterator[Namespace]:
    with restricted_namespace() as namespace:
        yield namespace


@measures
def test_from_outside_spam_holds_its_slo_at_100_requests_a_second(
    services: Mapping[str, Service], tmp_path: Path
) -> None:
    slo = tmp_path / "slo.yaml"
    slo.write_text(DECIDABLE)
    done = portside("loadtest", "spam", *OUTSIDE, "--rate=100", "--duration=60", f"--slo={slo}", check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@measures
def test_from_outside_spam_fails_an_slo_that_nothing_holds(services: Mapping[str, Service], tmp_path: Path) -> None:
    slo = tmp_path / "slo.yaml"
    slo.write_text(IMPOSSIBLE)
    done = portside("loadtest", "spam", *OUTSIDE, "--rate=100", "--duration=10", f"--slo={slo}", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL" in done.stdout


@measures
def test_a_job_inside_the_cluster_passes_and_its_pod_says_so_as_it_ends(
    services: Mapping[str, Service], namespace: Namespace, tmp_path: Path
) -> None:
    args = ("spam", *INSIDE, "--rate=100", "--duration=60", f"--slo={SLO}")
    ended = run_load_job(namespace, tmp_path, *args, seconds=60, slo=DECIDABLE)
    print(ended.log)
    assert (ended.condition, ended.exit_code, ended.judges) == ("Complete", 0, 1), ended.log
    assert ended.verdict["outcome"] == "PASS"
    assert "PASS" in ended.log


@measures
def test_a_job_whose_slo_nothing_holds_fails_once_and_for_all(
    services: Mapping[str, Service], namespace: Namespace, tmp_path: Path
) -> None:
    args = ("spam", *INSIDE, "--rate=100", "--duration=10", f"--slo={SLO}")
    ended = run_load_job(namespace, tmp_path, *args, seconds=10, slo=IMPOSSIBLE)
    assert (ended.condition, ended.exit_code, ended.judges) == ("Failed", 1, 1), ended.log
    assert "failed with exit code 1" in ended.message
    assert ended.verdict["outcome"] == "FAIL"


def test_a_job_that_cannot_run_says_why_in_its_pod(
    services: Mapping[str, Service], namespace: Namespace, tmp_path: Path
) -> None:
    args = ("spam", "--model=nobody", *INSIDE, "--rate=100", "--duration=10")
    ended = run_load_job(namespace, tmp_path, *args, seconds=10)
    assert (ended.condition, ended.exit_code, ended.judges) == ("Failed", 2, 1), ended.log
    assert "nobody" in ended.told.splitlines()[-1]


def test_two_workers_send_every_arrival_of_one_timetable_exactly_once(
    services: Mapping[str, Service], namespace: Namespace, tmp_path: Path
) -> None:
    timetable = make_timetable(parse_phases("100", 30), "poisson", 7)
    key = f"loadtests/{namespace.name}.json"
    args = ("spam", *INSIDE, "--rate=100", "--duration=30", "--seed=7", f"--slo={SLO}", f"--json=s3://models/{key}")
    # With as many replicas as there may be, none comes or goes with its count.
    with scale("spam", 2) as pods:
        before = sum(map(answered, pods))
        ended = run_load_job(namespace, tmp_path, *args, seconds=30, slo="error_rate: 0.01\n", workers=2)
        after = sum(map(answered, pods))
    assert (ended.condition, ended.exit_code) == ("Complete", 0), ended.log
    assert worker_exit_codes(namespace) == [0, 0]
    report = json.loads(read(key))
    forget(key)
    assert report["run"]["workers"] == 2
    assert report["run"]["digest"] == timetable.digest()
    assert [second["requests"] for second in report["seconds"]] == timetable.per_second()
    assert {each["name"].split(",")[0] for each in report["by_name"]} == {"rest json", "rest binary", "grpc"}
    assert report["requests"]["count"] == after - before == len(timetable.due_ns)
