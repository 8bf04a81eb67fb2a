# SPDX-License-Identifier: Apache-2.0
"""The three services through the Gateway: what a platform team has after installing, publishing and applying."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.gateway import HTTP_PORT, GrpcClient, RestClient, Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.pods import answered, pods_of, scale
from tests.e2e.steady_load import steady_load
from tests.e2e.use_cases import NAMES, golden_tensors, portside
from tests.predictors.servers import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_answers_through_the_gateway_as_a_local_server_does(
    services: Mapping[str, Service], artifacts: Mapping[str, Path], name: str
) -> None:
    asked = golden_tensors(artifacts[name])
    assert asked
    with serving(artifacts[name]) as server:
        local = Service(name, "127.0.0.1", server.http_port, server.grpc_port)
        for tensors in asked:
            expected = local.rest(tensors)
            for answer in (services[name].rest(tensors), services[name].grpc(tensors), local.grpc(tensors)):
                assert sorted(answer) == sorted(expected)
                for output, values in expected.items():
                    np.testing.assert_array_equal(answer[output], values)


def test_portside_predict_asks_through_the_gateway(services: Mapping[str, Service]) -> None:
    url = f"http://spam.localhost:{HTTP_PORT}"
    done = portside("predict", "spam", "--input", "examples/spam-request.json", "--url", url)
    assert '"data": ["spam", "ham"]' in done.stdout


@pytest.mark.parametrize("client", [RestClient, GrpcClient], ids=["rest", "grpc"])
def test_requests_of_one_client_are_spread_over_the_replicas(
    services: Mapping[str, Service], client: type[RestClient] | type[GrpcClient]
) -> None:
    service, tensors = services["spam"], {"text": np.array(["see you at six"], dtype=object)}
    with scale("spam", 2) as pods:
        before = {pod: answered(pod) for pod in pods}
        with steady_load(client(service, tensors, service.rest(tensors)), rate=100) as load:
            poll(60, "a thousand answers", lambda: load.count >= 1000)
        shares = {pod: (answered(pod) - before[pod]) / load.count for pod in pods}
    assert load.failed() == {}
    assert len(shares) == 2
    assert min(shares.values()) > 0.3, shares


def test_kserve_makes_no_routes_of_its_own(services: Mapping[str, Service]) -> None:
    routes = kubectl("get", "httproutes,grpcroutes", "--namespace", "models", "--output", "name").split()
    routes = [route for route in routes if route.partition("/")[2].startswith(tuple(services))]
    assert sorted(routes) == sorted(
        f"{kind}.gateway.networking.k8s.io/{name}" for kind in ("grpcroute", "httproute") for name in services
    )


def test_pod_security_restricted_admitted_every_pod(services: Mapping[str, Service]) -> None:
    labels = kubectl("get", "namespace", "models", "--output", "jsonpath={.metadata.labels}")
    assert '"pod-security.kubernetes.io/enforce":"restricted"' in labels
    assert {name: len(pods_of(name)) >= 1 for name in services} == dict.fromkeys(services, True)
