# SPDX-License-Identifier: Apache-2.0
"""`portside rollout status` shows how rollouts fare, and of one why."""

import json
import threading

import pytest

from tests.cluster import kubernetes_server
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.commands.cluster_with_rollouts import await_looks, put_rollout, status_of
from tests.rollouts.commands.conftest import Portside

STATUS = ("rollout", "status")
GATE = {
    "gate": "errors",
    "outcome": "Within",
    "text": "errors 0.1 % against 0.1 %",
    "measured": 0.0,
    "high": 0.004,
    "limit": 0.005,
}
STEP = {"time": "2026-01-02T00:00:01.5+00:00", "phase": "Progressing", "reason": "Step", "message": "step 1 of 3: 5 %"}
PROGRESSING = status_of(
    "Progressing",
    step=1,
    traffic=5,
    verdict="step 1 of 3, 5 %: 120 and 2,280 of 300 requests each",
    formerVersion="1.0.0",
    startedAt="2026-01-02T00:00:00Z",
    gates=[GATE],
    shadow={"compared": 500, "different": 2, "example": "request 17: ham, spam"},
    decisions=[STEP],
)


@pytest.fixture
def two(cluster: Kubernetes) -> Kubernetes:
    """Return a cluster with a rollout that was reverted and a newer one that is under way."""
    reverted = status_of(
        "Reverted",
        verdict="1.0.1 is worse",
        formerVersion="1.0.0",
        exposureToVerdictSeconds=12.25,
        verdictToZeroTrafficSeconds=0.75,
    )
    put_rollout(cluster, "spam-1-0-1", "1.0.1", status=reverted)
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=PROGRESSING, created="2026-01-02T00:00:00Z")
    return cluster


def test_all_rollouts_are_a_table_the_newest_first(two: Kubernetes, portside: Portside) -> None:
    heads, *rows = [line.split() for line in portside(*STATUS).stdout.splitlines()]
    assert heads == ["ROLLOUT", "SERVICE", "VERSION", "PHASE", "STEP", "TRAFFIC", "AGE", "VERDICT"]
    assert [row[:8] for row in rows] == [
        ["spam-1-1-0", "spam", "1.0.0", "->", "1.1.0", "Progressing", "1/3", "5%"],
        ["spam-1-0-1", "spam", "1.0.0", "->", "1.0.1", "Reverted", "-", "0%"],
    ]


def test_a_rollout_tells_its_gates_decisions_and_shadow(two: Kubernetes, portside: Portside) -> None:
    told = portside(*STATUS, "spam-1-1-0").stdout
    assert "  errors  Within  errors 0.1 % against 0.1 %" in told
    assert "shadow: 500 pairs of answers compared, 2 different, such as request 17: ham, spam" in told
    assert "Progressing  Step  step 1 of 3: 5 %" in told


def test_an_ended_one_tells_how_long_the_bad_version_was_there(two: Kubernetes, portside: Portside) -> None:
    told = portside(*STATUS, "spam-1-0-1").stdout
    assert "timings: 12.25 s from the first exposure to the verdict, 0.75 s from the verdict to zero traffic" in told


def test_a_service_stands_for_its_rollout_that_is_under_way(two: Kubernetes, portside: Portside) -> None:
    put_rollout(two, "spam-1-2-0", "1.2.0", created="2026-01-03T00:00:00Z")
    document = json.loads(portside(*STATUS, "spam", "--json").stdout)
    assert (document["rollout"], document["phase"], document["former_version"]) == (
        "spam-1-1-0",
        "Progressing",
        "1.0.0",
    )
    assert document["gates"][0]["high"] == 0.004
    assert document["decisions"][0]["time"] == "2026-01-02T00:00:01.500000+00:00"


def test_json_has_them_all(two: Kubernetes, portside: Portside) -> None:
    documents = json.loads(portside(*STATUS, "--json").stdout)
    assert [(each["rollout"], each["traffic"]) for each in documents] == [("spam-1-1-0", 5), ("spam-1-0-1", 0)]


def test_one_that_nobody_has_taken_up_says_so(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0")
    assert "no controller has taken it up yet" in portside(*STATUS).stdout


def test_watching_one_ends_with_it(two: Kubernetes, portside_process: Portside) -> None:
    def end() -> None:
        await_looks("spam-1-1-0", 3)
        put_rollout(two, "spam-1-1-0", "1.1.0", status=status_of("Promoted", verdict="1.1.0 serves"))

    controller = threading.Thread(target=end)
    controller.start()
    ended = portside_process(*STATUS, "spam", "--watch")
    controller.join()
    assert ended.stdout == "spam-1-1-0 is Promoted: 1.1.0 serves\n"
    assert "  step 1 of 3, 5 %: 120 and 2,280 of 300 requests each\n" in ended.stderr


def test_a_reverted_one_that_is_watched_ends_with_exit_code_1(two: Kubernetes, portside: Portside) -> None:
    assert json.loads(portside(*STATUS, "spam-1-0-1", "--watch", "--json", code=1).stdout)["phase"] == "Reverted"


def test_a_namespace_without_any_says_so(cluster: Kubernetes, portside: Portside) -> None:
    assert portside(*STATUS).stdout == "namespace models has no rollouts\n"
    assert portside(*STATUS, "--json").stdout == "[]\n"


def test_a_service_without_any_is_told_how_to_start_one(cluster: Kubernetes, portside: Portside) -> None:
    told = portside(*STATUS, "spam", code=2).stderr
    assert told == "portside: spam has no rollout; `portside rollout start spam --to VERSION` starts one\n"


def test_a_name_that_is_nothing_is_refused(cluster: Kubernetes, portside: Portside) -> None:
    assert "has no rollout and no service ham" in portside(*STATUS, "ham", code=2).stderr


WITHOUT = {
    "start": ("rollout", "start", "spam", "--to", "1.1.0"),
    "status": ("rollout", "status"),
    "the status of one": ("rollout", "status", "spam"),
    "abort": ("rollout", "abort", "spam"),
    "rollback": ("rollback", "spam"),
}


@pytest.mark.parametrize("words", WITHOUT.values(), ids=WITHOUT)
def test_a_cluster_without_the_controller_is_to_be_given_it(
    words: tuple[str, ...], portside: Portside, cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [kind for kind in kubernetes_server._KINDS if kind[2] != "ModelRollout"]
    monkeypatch.setattr(kubernetes_server, "_KINDS", known)
    told = portside(*words, code=2).stderr
    assert told == (
        "portside: the cluster does not know ModelRollout: its controller is not installed; run `make install`\n"
    )
