# SPDX-License-Identifier: Apache-2.0
"""Rollouts under a steady load through the Gateway: a good version comes in, and nobody notices anything else."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from tests.e2e.faulty_versions import BETTER, FIRST, ROWS, SHIFTED
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.model_rollout import GATES, create
from tests.e2e.rollout_service import RolloutService
from tests.e2e.side_by_side import side_by_side

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

HEADER = "x-portside-version"
GRPC_RATE = 10
#: Requests that ask for a version by the header.
PINNED = 10
#: A share of 20 % lies within these by chance, but for less than one time in ten thousand, of 300 requests.
SHARE, LEAST_SHARE, MOST_SHARE, SHARED = 20, 0.11, 0.30, 300


@dataclass
class Seen:
    """What a scenario has seen.

    Attributes:
        status: The rollout's status at its end.
        failed: Requests that went wrong, by how, over REST and over gRPC.
        versions: How many answers came from each version.
        before: The service before.
        after: The service after.
        notes: What else.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    failed: Sequence[Mapping[str, int]] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def seen(rollout_services: Sequence[RolloutService]) -> Mapping[str, Future[Seen]]:
    """Each scenario run, several at a time."""
    scenarios: Mapping[str, Callable[[RolloutService], Seen]] = {
        "promoted": promoted,
        "manifests applied": manifests_applied,
        "no traffic": no_traffic,
        "shadowed": shadowed,
        "shared": shared,
    }
    return side_by_side(rollout_services, scenarios)


def promoted(service: RolloutService) -> Seen:
    """Roll a good version out, shadowed first, with every gate there is, under load over REST and gRPC."""
    before, uid = service.shape(), _service_uid(service)
    gates = {**GATES, "disagreements": {"maxRate": 0.05}}
    with service.grpc_load(GRPC_RATE) as grpc_load, service.load() as (load, client):
        rollout = create(f"{service.name}-good", service.name, BETTER, gates=gates, shadow={"requests": 150})
        status = rollout.wait_for_end()
        upto = load.count + 100
        poll(60, "the load to go on", lambda: load.count > upto)
    notes = {"version": service.version(), "kept": _service_uid(service) == uid, "owned": service.owned_by_rollouts()}
    failed = (load.failed(), grpc_load.failed())
    print(f"\na good version: {load.count} REST and {grpc_load.count} gRPC requests, the slowest {load.slowest:.2f} s")
    return Seen(status, failed, dict(client.versions), before, service.shape(), notes)


def manifests_applied(service: RolloutService) -> Seen:
    """Apply the service's manifests as they were, in the middle of a step and of the promotion."""
    before = service.shape()
    with service.load() as (load, client):
        rollout = create(f"{service.name}-applied", service.name, BETTER, steps=[{"traffic": 50}], minRequests=300)
        rollout.wait_for("Progressing", step=1)
        count = client.versions[BETTER]
        poll(60, "the new version to answer", lambda: client.versions[BETTER] > count + 20)
        service.apply()
        count = client.versions[BETTER]
        poll(60, "the new version to answer again", lambda: client.versions[BETTER] > count + 50)
        rollout.wait_for("Promoting")
        service.apply()
        status = rollout.wait_for_end()
    notes = {"version": service.version(), "owned": service.owned_by_rollouts()}
    return Seen(status, (load.failed(),), dict(client.versions), before, service.shape(), notes)


def no_traffic(service: RolloutService) -> Seen:
    """Roll a good version out where nobody asks."""
    before = service.shape()
    status = create(f"{service.name}-idle", service.name, BETTER, deadline="10s").wait_for_end()
    return Seen(status, before=before, after=service.shape(), notes={"version": service.version()})


def shadowed(service: RolloutService) -> Seen:
    """Roll out a version that answers otherwise, shadowed first, with the disagreements alone as a gate."""
    before = service.shape()
    gates = {"disagreements": {"maxRate": 0.05}}
    with service.load() as (load, client):
        rollout = create(f"{service.name}-shadow", service.name, SHIFTED, gates=gates, shadow={"requests": 400})
        status = rollout.wait_for_end()
    return Seen(status, (load.failed(),), dict(client.versions), before, service.shape())


def shared(service: RolloutService) -> Seen:
    """Hold a step, as an A/B test does, and ask for either version by the header."""
    steps = [{"traffic": SHARE, "hold": True}]
    with service.load() as (load, client):
        rollout = create(f"{service.name}-shared", service.name, BETTER, steps=steps)
        rollout.wait_for("Progressing", step=1)
        count = client.versions[BETTER]
        poll(60, "the new version to answer", lambda: client.versions[BETTER] > count)
        before = dict(client.versions)
        upto = load.count + SHARED
        poll(60, "the share to be measured", lambda: load.count > upto)
        counts = {version: client.versions[version] - before.get(version, 0) for version in (FIRST, BETTER)}
        pinned = {
            f"{ask.__name__.removeprefix('_ask_')} {version}": {ask(service, version) for _ in range(PINNED)}
            for ask in (_ask_rest, _ask_grpc)
            for version in (FIRST, BETTER)
        }
        phase = rollout.phase
        rollout.patch(end="Abort")
        status = rollout.wait_for_end()
    notes = {"share": counts[BETTER] / sum(counts.values()), "pinned": pinned, "phase": phase}
    return Seen(status, (load.failed(),), dict(client.versions), notes=notes)


def test_a_good_version_is_promoted_without_a_failed_request(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["promoted"].result()
    assert outcome.status["phase"] == "Promoted", outcome.status["verdict"]
    assert outcome.failed == ({}, {})
    assert outcome.notes["version"] == BETTER
    assert outcome.versions[BETTER] > 0
    assert outcome.status["shadow"]["compared"] >= 150
    assert outcome.status["shadow"]["different"] == 0


def test_after_promotion_all_but_the_version_is_as_it_was(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["promoted"].result()
    assert "canary" not in outcome.after["spec"]
    assert outcome.after == outcome.before
    assert outcome.notes["kept"]
    assert outcome.notes["owned"] == []


def test_manifests_applied_in_the_middle_do_no_harm(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["manifests applied"].result()
    assert outcome.status["phase"] == "Promoted", outcome.status["verdict"]
    assert outcome.failed == ({},)
    assert outcome.after == outcome.before
    assert outcome.notes == {"version": BETTER, "owned": []}


def test_without_traffic_a_rollout_is_inconclusive(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["no traffic"].result()
    assert outcome.status["phase"] == "Inconclusive"
    assert "Promoting" not in [each["phase"] for each in outcome.status["decisions"]]
    assert outcome.notes["version"] == FIRST
    assert outcome.after == outcome.before


def test_shadowing_finds_out_a_version_that_answers_otherwise_before_anybody_asks_it(
    seen: Mapping[str, Future[Seen]],
) -> None:
    outcome = seen["shadowed"].result()
    assert outcome.status["phase"] == "Reverted"
    assert outcome.status.get("exposedAt") is None
    assert outcome.status["shadow"]["different"] > 0
    (verdict,) = [each for each in outcome.status["decisions"] if each["phase"] == "Reverting"]
    assert verdict["reason"] == "GateViolated"
    assert outcome.failed == ({},)
    assert set(outcome.versions) == {FIRST}
    assert outcome.after == outcome.before


def test_a_step_that_holds_keeps_its_share(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["shared"].result()
    assert outcome.notes["phase"] == "Progressing"
    assert LEAST_SHARE < outcome.notes["share"] < MOST_SHARE
    assert outcome.failed == ({},)


def test_the_header_pins_a_version_over_rest_and_grpc(seen: Mapping[str, Future[Seen]]) -> None:
    pinned = seen["shared"].result().notes["pinned"]
    assert pinned == {f"{how} {version}": {version} for how in ("rest", "grpc") for version in (FIRST, BETTER)}


def _ask_rest(service: RolloutService, version: str) -> str:
    """Return the version that answers a REST request which asks for one."""
    url = f"http://127.0.0.1:{service.service.http_port}/v2/models/{service.name}/infer"
    rows = ROWS["input"]
    tensor = {"name": "input", "datatype": "FP64", "shape": rows.shape, "data": rows.tolist()}
    headers = {"Host": service.service.hostname, HEADER: version}
    answer = httpx.post(url, json={"inputs": [tensor]}, headers=headers, trust_env=False)
    answered: str = answer.raise_for_status().json()["model_version"]
    return answered


def _ask_grpc(service: RolloutService, version: str) -> str:
    """Return the version that answers a gRPC request which asks for one."""
    authority = [("grpc.default_authority", service.service.hostname)]
    tensor = triton_grpc.InferInput("input", list(ROWS["input"].shape), "FP64")
    tensor.set_data_from_numpy(np.asarray(ROWS["input"]))
    address = f"127.0.0.1:{service.service.grpc_port}"
    with triton_grpc.InferenceServerClient(address, channel_args=authority) as client:
        answer = client.infer(service.name, [tensor], headers={HEADER: version})
    answered: str = answer.get_response().model_version
    return answered


def _service_uid(service: RolloutService) -> str:
    """Return the uid of the Service that clients within the cluster know."""
    words = ("get", "service", f"{service.name}-predictor", "--output", "jsonpath={.metadata.uid}")
    return kubectl(*words, "--namespace", "models")
