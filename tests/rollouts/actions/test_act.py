# SPDX-License-Identifier: Apache-2.0
"""What a rollout writes to the cluster, in which order, and that it leaves what is as wanted."""

from pathlib import Path
from typing import Any

import pytest

from cluster.api import Cluster, ConflictError
from cluster.services.objects import GRPC_ROUTE, HTTP_ROUTE, INFERENCE_SERVICE
from rollouts.actions.act import act
from rollouts.desired import Desired
from rollouts.status import Canary
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.actions.api_server import api_server, cluster_at, serve, serve_canary
from tests.rollouts.actions.services import CANARY, FORMER, NEW, ONE, ROLLOUT, STABLE, WAS, entry

APPLY = ("apply as portside-rollouts", "InferenceService iris")
MERGE = ("patch as portside-rollouts", "InferenceService iris")
ROUTES = [("patch as portside-rollouts", f"{kind} iris") for kind in ("HTTPRoute", "GRPCRoute")]


def wanted(canary: Canary | None = ONE, **more: Any) -> Desired:
    return Desired(touched=True, canary=canary, former=WAS, **more)


def weights(server: Kubernetes, kind: tuple[str, str] = HTTP_ROUTE) -> dict[str, int]:
    rules = server.get(*kind, "iris", "models")["spec"]["rules"]
    return {each["name"]: each["weight"] for each in rules[0]["backendRefs"]}


def test_a_rollout_that_has_not_begun_changes_nothing(server: Kubernetes, kubernetes: Cluster) -> None:
    assert not act(kubernetes, ROLLOUT, Desired())
    assert server.writes == []


def test_no_route_leads_to_a_canary_before_its_service_is_there(server: Kubernetes, kubernetes: Cluster) -> None:
    desired = wanted(traffic=5, mirror=True, stable_version="1.0.0", canary_version="1.1.0")
    assert act(kubernetes, ROLLOUT, desired)
    assert server.writes == [APPLY]
    assert weights(server) == {STABLE: 100}


def test_the_share_is_set_on_both_routes(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server, traffic=5)
    desired = wanted(traffic=5, stable_version="1.0.0", canary_version="1.1.0")
    assert act(kubernetes, ROLLOUT, desired)
    assert server.writes == ROUTES
    assert [weights(server, kind) for kind in (HTTP_ROUTE, GRPC_ROUTE)] == [{STABLE: 95, CANARY: 5}] * 2
    assert not act(kubernetes, ROLLOUT, desired)
    assert server.writes == ROUTES


def test_a_manifest_applied_anew_is_set_right_again(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server)
    desired = wanted(traffic=25)
    act(kubernetes, ROLLOUT, desired)
    serve(server)
    assert act(kubernetes, ROLLOUT, desired)
    assert weights(server) == {STABLE: 75, CANARY: 25}
    predictor = server.get(*INFERENCE_SERVICE, "iris", "models")["spec"]["predictor"]
    assert predictor["minReplicas"] == 3


def test_a_share_is_taken_away_before_anything_else(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server, traffic=25)
    act(kubernetes, ROLLOUT, wanted(traffic=25))
    server.writes.clear()
    assert act(kubernetes, ROLLOUT, wanted(traffic=0, storage_uri=FORMER))
    assert server.writes == [*ROUTES, APPLY]
    assert weights(server) == {STABLE: 100}


def test_a_canary_goes_only_when_no_route_led_to_it_before(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server, traffic=25)
    act(kubernetes, ROLLOUT, wanted(traffic=25))
    server.writes.clear()
    assert act(kubernetes, ROLLOUT, wanted(None))
    assert server.writes == ROUTES
    assert server.get(*INFERENCE_SERVICE, "iris", "models")["spec"]["canary"]

    assert act(kubernetes, ROLLOUT, wanted(None))
    assert server.writes == [*ROUTES, MERGE, ("delete", CANARY)]
    spec = server.get(*INFERENCE_SERVICE, "iris", "models")["spec"]
    assert "canary" not in spec
    assert (spec["predictor"]["minReplicas"], spec["predictor"]["maxReplicas"]) == (2, 4)


def test_a_canary_whose_place_another_takes_goes_in_the_same_order(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server)
    act(kubernetes, ROLLOUT, wanted(canary_version="1.1.0"))
    server.writes.clear()
    kept = wanted(Canary("previous", FORMER, 1), storage_uri=NEW)
    act(kubernetes, ROLLOUT, kept)
    assert server.writes == ROUTES
    act(kubernetes, ROLLOUT, kept)
    assert server.writes == [*ROUTES, APPLY, MERGE, ("delete", CANARY)]
    service = server.get(*INFERENCE_SERVICE, "iris", "models")
    assert service["spec"]["canary"] == [entry(1, name="previous", source=FORMER)]


def test_at_the_end_nothing_is_left(server: Kubernetes, kubernetes: Cluster) -> None:
    before = [server.get(*kind, "iris", "models")["spec"] for kind in (HTTP_ROUTE, GRPC_ROUTE)]
    serve_canary(server)
    act(kubernetes, ROLLOUT, wanted(traffic=50, canary_version="1.1.0", stable_version="1.0.0"))
    for _ in range(3):
        act(kubernetes, ROLLOUT, wanted(None))
    assert not act(kubernetes, ROLLOUT, wanted(None))
    assert [server.get(*kind, "iris", "models")["spec"] for kind in (HTTP_ROUTE, GRPC_ROUTE)] == before
    managers = [
        each["manager"] for each in server.get(*INFERENCE_SERVICE, "iris", "models")["metadata"]["managedFields"]
    ]
    assert managers == ["kubectl"]


def test_of_a_service_that_is_gone_the_routes_are_the_user_s_again(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server)
    act(kubernetes, ROLLOUT, wanted(traffic=25))
    kubernetes.delete(*INFERENCE_SERVICE, "iris", "models")
    server.writes.clear()
    assert act(kubernetes, ROLLOUT, wanted(traffic=25))
    assert weights(server) == {STABLE: 100}
    assert server.writes == [*ROUTES, ("delete", CANARY)]
    assert not act(kubernetes, ROLLOUT, wanted(traffic=25))


def test_a_route_that_others_write_at_the_same_time_is_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with api_server(HTTPRoute=3) as state:
        serve(state)
        serve_canary(state)
        act(cluster_at(state, monkeypatch, tmp_path), ROLLOUT, wanted(traffic=5))
        assert weights(state) == {STABLE: 95, CANARY: 5}


def test_a_route_that_others_write_all_the_time_is_a_conflict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with api_server(HTTPRoute=9) as state:
        serve(state)
        serve_canary(state)
        with pytest.raises(ConflictError):
            act(cluster_at(state, monkeypatch, tmp_path), ROLLOUT, wanted(traffic=5))
