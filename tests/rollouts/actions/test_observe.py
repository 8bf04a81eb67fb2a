# SPDX-License-Identifier: Apache-2.0
"""What one look at the cluster shows of a rollout."""

from typing import Any

from cluster.api import Cluster
from cluster.services.objects import HTTP_ROUTE, INFERENCE_SERVICE
from rollouts.actions.act import act
from rollouts.actions.observe import observe
from rollouts.desired import Desired
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Seen
from rollouts.phases import Phase
from rollouts.status import Status
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.actions.api_server import serve_canary
from tests.rollouts.actions.services import CANARY, ONE, ROLLOUT, WAS, WRITTEN, inference_service


class NoCounts:
    """A source of counts that has none."""

    def snapshots(self, namespace: str, service: str, pods: object) -> dict[str, Snapshot]:
        """Return nothing."""
        return {}


def look(kubernetes: Cluster, **status: Any) -> Seen:
    return observe(kubernetes, ROLLOUT, Status(phase=Phase.PROGRESSING, former=WAS, **status), NoCounts())


def test_one_look_shows_both_versions(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server, traffic=25)
    act(kubernetes, ROLLOUT, Desired(touched=True, canary=ONE, traffic=25, former=WAS))
    seen = look(kubernetes, canary=ONE)
    assert (seen.stable.complete, seen.stable.ready) == (True, 2)
    assert (seen.canary.complete, seen.canary.ready) == (True, 1)
    assert seen.traffic == 25
    assert seen.routes_problem is None


def test_a_share_that_the_gateway_has_not_taken_up_is_not_told(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server)
    route = server.get(*HTTP_ROUTE, "iris", "models")
    route["status"]["parents"][0]["conditions"][0]["observedGeneration"] = 0
    assert look(kubernetes, canary=ONE).traffic is None


def test_a_service_without_a_route_is_told(server: Kubernetes, kubernetes: Cluster) -> None:
    kubernetes.delete(*HTTP_ROUTE, "iris", "models")
    seen = look(kubernetes)
    assert seen.routes_problem is not None
    assert "has no HTTPRoute" in seen.routes_problem
    assert seen.traffic == 0


def test_what_the_canary_leaves_behind_is_seen(server: Kubernetes, kubernetes: Cluster) -> None:
    serve_canary(server)
    assert look(kubernetes, canary=ONE).canary_exists
    for kind, name in ((("apps/v1", "Deployment"), CANARY), (("v1", "Pod"), f"{CANARY}-1")):
        kubernetes.delete(*kind, name, "models")
    server.put(inference_service(written=WRITTEN))
    assert look(kubernetes).canary_exists
    act(kubernetes, ROLLOUT, Desired(touched=True, former=WAS))
    assert not look(kubernetes).canary_exists


def test_a_service_that_is_gone_is_seen(kubernetes: Cluster) -> None:
    kubernetes.delete(*INFERENCE_SERVICE, "iris", "models")
    assert look(kubernetes).service is None
