# SPDX-License-Identifier: Apache-2.0
"""Pods come and go under a steady load, for every reason that they do, and no request fails."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from tests.e2e.gateway import GrpcClient, RestClient, Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.pods import NAMESPACE, is_ready, pods_of, ready_pods, scale, server_process
from tests.e2e.steady_load import Outcome, steady_load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

#: Requests a second over REST, and over gRPC besides.
REST_RATE, GRPC_RATE = 100, 25
CHANGE_SECONDS = 240
#: The load goes on after a change, so that what comes late is seen too.
AFTERWARDS = 300

RUNTIME = "clusterservingruntime/portside"
MESSAGE = {"text": np.array(["WINNER!! Claim your 900 pound prize now"], dtype=object)}


@pytest.fixture
def spam(services: Mapping[str, Service]) -> Iterator[Service]:
    """The spam filter with two replicas."""
    with scale("spam", 2):
        yield services["spam"]


def test_a_rolling_update_of_the_runtime_fails_no_request(spam: Service) -> None:
    before = ready_pods("spam")
    environ = json.loads(kubectl("get", RUNTIME, "--output", "json"))["spec"]["containers"][0]["env"]
    path = "/spec/containers/0/env"
    with _under_load(spam):
        _patch(
            RUNTIME,
            {"op": "replace", "path": path, "value": [*environ, {"name": "PREDICTOR_LOG_LEVEL", "value": "warning"}]},
        )
        poll(CHANGE_SECONDS, "new pods in place of both", lambda: _replaced(before, 2))
    _patch(RUNTIME, {"op": "replace", "path": path, "value": environ})
    poll(CHANGE_SECONDS, "the runtime as it was", lambda: len(pods_of("spam")) == len(ready_pods("spam")) == 2)


def test_a_deleted_pod_fails_no_request(spam: Service) -> None:
    before = ready_pods("spam")
    with _under_load(spam):
        kubectl("delete", "pod", min(before), "--namespace", NAMESPACE, "--wait=false")
        poll(CHANGE_SECONDS, "another pod in its place", lambda: _replaced({min(before)}, 2))


def test_a_killed_container_fails_no_request(spam: Service) -> None:
    victim = min(ready_pods("spam"))
    process = server_process(pods_of("spam")[victim])
    if process is None:
        pytest.skip("the node's processes are not to be seen from here")
    with _under_load(spam):
        os.kill(process, signal.SIGKILL)
        poll(CHANGE_SECONDS, "the container to be started again", lambda: _restarts(victim) == 1)
        poll(CHANGE_SECONDS, "the pod to be ready again", lambda: victim in ready_pods("spam"))


def test_an_evicted_pod_fails_no_request_and_the_budget_keeps_the_other(spam: Service) -> None:
    first, second = sorted(ready_pods("spam"))
    with _under_load(spam):
        _evict(first)
        refused = _evict(second, check=False)
        poll(CHANGE_SECONDS, "another pod in its place", lambda: _replaced({first}, 2))
    assert "disruption budget" in refused
    assert second in ready_pods("spam")


@contextmanager
def _under_load(service: Service) -> Iterator[None]:
    """Load the service over REST and gRPC while the block runs and a moment longer; then require every answer right."""
    expected = service.rest(MESSAGE)
    loads: list[Outcome] = []
    with ExitStack() as stack:
        for client, rate in ((RestClient, REST_RATE), (GrpcClient, GRPC_RATE)):
            loads.append(stack.enter_context(steady_load(client(service, MESSAGE, expected), rate=rate)))
        poll(60, "the load to run", lambda: loads[0].count > AFTERWARDS)
        yield
        upto = loads[0].count + AFTERWARDS
        poll(60, "the load to go on", lambda: loads[0].count > upto)
    told = [(load.count, load.failures) for load in loads]
    assert [load.failed() for load in loads] == [{}, {}], told
    slowest = max(load.slowest for load in loads)
    print(f"\n{loads[0].count} REST and {loads[1].count} gRPC requests, none failed, the slowest {slowest:.2f} s")


def _replaced(before: set[str], count: int) -> bool:
    """Return whether as many pods are ready, and none of the former ones is among them."""
    now = pods_of("spam")
    return len(now) == count and not before & set(now) and all(map(is_ready, now.values()))


def _patch(name: str, *operations: Mapping[str, Any]) -> None:
    kubectl("patch", name, "--type", "json", "--patch", json.dumps(operations))


def _evict(pod: str, *, check: bool = True) -> str:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    return kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(eviction), check=check)


def _restarts(pod: str) -> int:
    (container,) = pods_of("spam")[pod]["status"]["containerStatuses"]
    count: int = container["restartCount"]
    return count
