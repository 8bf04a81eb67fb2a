# SPDX-License-Identifier: Apache-2.0
"""`portside rollout start` makes a ModelRollout of what its words say, or says in a sentence why it cannot."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.commands import cluster_with_rollouts
from tests.rollouts.commands.cluster_with_rollouts import (
    BUCKET,
    await_looks,
    put_rollout,
    rollout,
    rollouts,
    serve,
    status_of,
)
from tests.rollouts.commands.conftest import Portside

START = ("rollout", "start", "spam")
GATES = {
    "errors": {"maxIncrease": 0.005},
    "latency": {"percentile": 99, "maxRatio": 1.2},
    "predictions": {"maxShift": 0.1},
}
TWO_STEPS = {"steps": [{"traffic": 10}, {"traffic": 50, "hold": True}]}


def kept() -> dict[str, Any]:
    """Return the status of a promoted rollout that keeps 0.9.0 running."""
    state = {"canary": {"name": "previous", "storage_uri": f"{BUCKET}/0.9.0/", "replicas": 1}}
    return status_of("Promoted", formerVersion="0.9.0", keptUntil="2126-01-01T00:00:00Z", state=state)


OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "steps, one of which holds": (("--steps", "10,50:hold"), TWO_STEPS),
    "no steps": (("--steps", "none"), {"steps": []}),
    "a shadow": (
        ("--shadow", "500", "--max-disagreements", "0.02"),
        {"shadow": {"requests": 500}, "gates": {**GATES, "disagreements": {"maxRate": 0.02}}},
    ),
    "times": (
        ("--deadline", "1h30m", "--ready-deadline", "90s", "--keep-previous", "10m"),
        {"deadline": "1h30m", "readyDeadline": "90s", "keepPrevious": "10m"},
    ),
    "limits": (
        ("--max-error-increase", "0", "--max-latency", "50", "--percentile", "95", "--max-shift", "none"),
        {
            "gates": {
                "errors": {"maxIncrease": 0.0},
                "latency": {"percentile": 95.0, "maxRatio": 1.2, "maxMilliseconds": 50.0},
            }
        },
    ),
    "no gates": (("--max-error-increase", "none", "--max-latency-ratio", "none", "--max-shift", "none"), {"gates": {}}),
    "replacing, by force": (
        ("--replace", "--force", "--min-requests", "50"),
        {"whenBusy": "Replace", "force": True, "minRequests": 50},
    ),
}

WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no version": ((*START,), "which version?"),
    "two of them": ((*START, "--to", "1.1.0", "--artifact", f"{BUCKET}/1.1.0"), "give one of them"),
    "a version that is a URI": ((*START, "--to", f"{BUCKET}/1.1.0"), "a URI is given with --artifact"),
    "a folder of this machine": ((*START, "--artifact", "."), "`portside publish FOLDER s3://BUCKET`"),
    "a service without a name": (("rollout", "start", "", "--to", "1.1.0"), "has no service ;"),
    "a service that is not there": (("rollout", "start", "ham", "--to", "1.1.0"), "has no service ham"),
    "steps that fall": ((*START, "--to", "1.1.0", "--steps", "50,25"), "steps must rise"),
    "steps that are none": ((*START, "--to", "1.1.0", "--steps", "5,many"), "'many' is no step"),
    "a step above all": ((*START, "--to", "1.1.0", "--steps", "101"), "per cent from 1 to 100"),
    "a step that does something else": ((*START, "--to", "1.1.0", "--steps", "5:wait"), "or 50:hold"),
    "a time that is none": ((*START, "--to", "1.1.0", "--deadline", "soon"), "is not a duration, such as 30m"),
    "a rate above 1": ((*START, "--to", "1.1.0", "--max-shift", "2"), "must be above 0 and 1 at most"),
    "a rate below 0": ((*START, "--to", "1.1.0", "--max-error-increase", "-1"), "must be 0 at least and 1 at most"),
    "a limit that is none": ((*START, "--to", "1.1.0", "--max-latency", "fast"), "is no number, and not none"),
    "a percentile that is no number": ((*START, "--to", "1.1.0", "--percentile", "nan"), "above 0 and below 100"),
    "no namespace": ((*START, "--to", "1.1.0", "--namespace", ""), "is no namespace"),
    "a percentile that is none": ((*START, "--to", "1.1.0", "--percentile", "100"), "above 0 and below 100"),
}


def test_it_is_made_beside_the_present_version_with_gates_that_let_no_worse_one_through(
    cluster: Kubernetes, portside: Portside
) -> None:
    ended = portside(*START, "--to", "1.1.0")
    assert rollout(cluster, "spam-1-1-0")["spec"] == {
        "inferenceService": "spam",
        "storageUri": "s3://models/spam/1.1.0/",
        "steps": [{"traffic": 5}, {"traffic": 25}, {"traffic": 50}],
        "gates": GATES,
    }
    assert ended.stdout.splitlines() == [
        "rollout spam-1-1-0 is made: spam to s3://models/spam/1.1.0/",
        "  portside rollout status spam-1-1-0 --watch",
    ]


@pytest.mark.parametrize(("words", "wanted"), OPTIONS.values(), ids=OPTIONS)
def test_each_option_is_a_field(
    words: tuple[str, ...], wanted: dict[str, Any], cluster: Kubernetes, portside: Portside
) -> None:
    portside(*START, "--to", "1.1.0", *words)
    spec = rollout(cluster, "spam-1-1-0")["spec"]
    assert {name: spec.get(name, {}) for name in wanted} == wanted


def test_an_artifact_elsewhere_is_taken_as_it_is(cluster: Kubernetes, portside: Portside) -> None:
    told = json.loads(portside(*START, "--artifact", "gs://other/spam/2.0.0_rc.1", "--json").stdout)
    assert told == {
        "rollout": "spam-2-0-0-rc-1",
        "namespace": "models",
        "service": "spam",
        "storage_uri": "gs://other/spam/2.0.0_rc.1/",
        "waits_for": [],
    }
    assert rollout(cluster, "spam-2-0-0-rc-1")["spec"]["storageUri"] == "gs://other/spam/2.0.0_rc.1/"


def test_a_name_that_has_been_is_given_a_number(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Reverted"))
    put_rollout(cluster, "spam-1-1-0-2", "1.1.0", status=status_of("Inconclusive"))
    portside(*START, "--to", "1.1.0")
    assert rollouts(cluster) == ["spam-1-1-0", "spam-1-1-0-2", "spam-1-1-0-3"]


@pytest.mark.parametrize("words", [(), ("--replace",)], ids=["waiting", "replacing"])
def test_it_says_what_becomes_of_one_that_is_under_way(
    words: tuple[str, ...], cluster: Kubernetes, portside: Portside
) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Progressing"))
    told = portside(*START, "--to", "1.2.0", *words).stdout
    assert ("in place of spam-1-1-0" if words else "once spam-1-1-0 has ended") in told


@pytest.mark.parametrize("words", [(), ("--replace",)], ids=["waiting", "replacing"])
def test_a_version_that_is_kept_running_is_given_up_and_not_waited_for(
    words: tuple[str, ...], cluster: Kubernetes, portside: Portside
) -> None:
    put_rollout(cluster, "spam-1-0-0", "1.0.0", status=kept())
    told = portside(*START, "--to", "1.1.0", *words).stdout
    assert "rollout spam-1-1-0 is made: spam to s3://models/spam/1.1.0/; spam-1-0-0 keeps 0.9.0 running no lon" in told
    assert json.loads(portside(*START, "--to", "1.2.0", "--replace", "--json").stdout)["waits_for"] == ["spam-1-1-0"]


def test_what_was_given_up_before_its_time_is_not_spoken_of(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-0-0", "1.0.0", status={**kept(), "state": {"released": True}})
    told = portside(*START, "--to", "1.1.0").stdout
    assert told.splitlines()[0] == "rollout spam-1-1-0 is made: spam to s3://models/spam/1.1.0/"


def test_several_that_are_under_way_are_all_waited_for(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-0-0", "1.0.0", status=kept())
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Progressing"))
    put_rollout(cluster, "spam-1-2-0", "1.2.0", created="2026-01-02T00:00:00Z")
    assert ", once spam-1-2-0, spam-1-1-0 have ended\n" in portside(*START, "--to", "1.3.0").stdout
    told = json.loads(portside(*START, "--to", "1.4.0", "--json").stdout)
    assert told["waits_for"] == ["spam-1-2-0", "spam-1-3-0", "spam-1-1-0"]


def test_one_of_its_name_that_was_made_meanwhile_is_not_written_over(
    cluster: Kubernetes, portside: Portside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_is_faster(document: dict[str, Any]) -> None:
        put_rollout(cluster, "spam-1-1-0", "1.1.0", minRequests=7)

    monkeypatch.setattr(cluster_with_rollouts, "tried", another_is_faster)
    ended = portside(*START, "--to", "1.1.0", code=2)
    assert ended.stderr == "portside: ModelRollout spam-1-1-0: modelrollouts spam-1-1-0 already exists\n"
    assert rollout(cluster, "spam-1-1-0")["spec"]["minRequests"] == 7


def test_the_version_that_is_under_way_is_not_brought_in_twice(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Progressing"))
    ended = portside(*START, "--to", "1.1.0", code=2)
    assert "spam-1-1-0 brings 1.1.0 in already, it is Progressing" in ended.stderr
    assert rollouts(cluster) == ["spam-1-1-0"]


@pytest.mark.parametrize("whole", [True, False], ids=["a whole object", "a spec alone"])
def test_a_file_says_all_and_options_are_put_over_it(
    whole: bool, cluster: Kubernetes, portside: Portside, tmp_path: Path
) -> None:
    spec = {
        "inferenceService": "spam",
        "storageUri": f"{BUCKET}/1.3.0",
        "gates": {"latency": {"percentile": 95, "maxRatio": 1.5}},
        "minRequests": 10,
    }
    document = {"apiVersion": "portside.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": "x"}, "spec": spec}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(document if whole else spec))
    portside(*START, "--file", "spec.yaml", "--max-latency", "80", "--steps", "20")
    assert rollout(cluster, "spam-1-3-0")["spec"] == {
        "inferenceService": "spam",
        "storageUri": f"{BUCKET}/1.3.0/",
        "gates": {"latency": {"percentile": 95, "maxRatio": 1.5, "maxMilliseconds": 80.0}},
        "minRequests": 10,
        "steps": [{"traffic": 20}],
    }


FILES = {
    "another kind": ("kind: Pod", "holds a Pod, not a ModelRollout"),
    "another service": ("inferenceService: ham", "is a rollout of ham, not of spam"),
    "no YAML": ("a: [", "is not YAML"),
    "a text": ("spam", "holds no spec"),
    "gates that are none": ("gates: 5", "has gates without fields"),
    "a list of gates": ("gates: [errors]", "has gates without fields"),
    "a gate without fields": ("gates: {errors: 5}", "has gates without fields: each is such as errors: {maxInc"),
    "no spec": ("kind: ModelRollout", "without a spec"),
}


@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_rollout_is_refused(text: str, told: str, portside: Portside, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    assert told in portside(*START, "--to", "1.1.0", "--file", "spec.yaml", code=2).stderr


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_wrong_use_makes_nothing(words: tuple[str, ...], told: str, cluster: Kubernetes, portside: Portside) -> None:
    assert told in " ".join(portside(*words, code=2).stderr.split())
    assert rollouts(cluster) == []


def test_a_version_has_no_place_beside_an_archive(cluster: Kubernetes, portside: Portside) -> None:
    serve(cluster, "1.0.0.tgz")
    assert "give its URI with --artifact" in portside(*START, "--to", "1.1.0", code=2).stderr


def test_a_dry_run_has_it_checked_and_prints_it(cluster: Kubernetes, portside: Portside) -> None:
    document = yaml.safe_load(portside(*START, "--to", "1.1.0", "--dry-run").stdout)
    assert (document["kind"], document["metadata"]) == ("ModelRollout", {"name": "spam-1-1-0", "namespace": "models"})
    assert list(document["spec"])[:2] == ["inferenceService", "storageUri"]
    assert rollouts(cluster) == []


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["made", "tried"])
def test_what_the_cluster_refuses_is_told_in_its_words(
    words: tuple[str, ...], cluster: Kubernetes, portside: Portside
) -> None:
    cluster.refusals["ModelRollout"] = ["spec.steps: steps must rise"]
    ended = portside(*START, "--to", "1.1.0", *words, code=2)
    assert ended.stderr == "portside: ModelRollout spam-1-1-0: spec.steps: steps must rise\n"
    assert rollouts(cluster) == []


ENDS = {
    "promoted": ("Promoted", 0, "stdout", "spam-1-1-0 is Promoted: it is over\n"),
    "reverted": ("Reverted", 1, "stderr", "portside: spam-1-1-0 is Reverted: it is over\n"),
    "inconclusive": ("Inconclusive", 1, "stderr", "portside: spam-1-1-0 is Inconclusive: it is over\n"),
    "refused": ("Refused", 1, "stderr", "portside: spam-1-1-0 is Refused: it is over\n"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_watching_tells_every_decision_and_ends_as_the_rollout_does(
    end: tuple[str, int, str, str], cluster: Kubernetes, portside_process: Portside
) -> None:
    phase, code, stream, told = end
    first = {"time": "2026-01-01T00:00:01+00:00", "phase": "Pending", "reason": "Started", "message": "begun"}
    last = {"time": "2026-01-01T00:00:09+00:00", "phase": phase, "reason": "Ended", "message": "it is over"}

    def control() -> None:
        await_looks("spam-1-1-0")
        put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Pending", verdict="begun", decisions=[first]))
        await_looks("spam-1-1-0")
        status = status_of(phase, verdict="it is over", decisions=[first, last])
        put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status)

    controller = threading.Thread(target=control)
    controller.start()
    ended = portside_process(*START, "--to", "1.1.0", "--watch", code=code)
    controller.join()
    assert getattr(ended, stream).endswith(told)
    assert ended.stderr.count(": begun\n") == 1
    assert f" {phase}: it is over\n" in ended.stderr
