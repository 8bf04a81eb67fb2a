# SPDX-License-Identifier: Apache-2.0
"""Autoscaling: load adds pods and its end takes them away again, and no request notices."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.e2e.gateway import GrpcClient, RestClient, Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.pods import ready_pods
from tests.e2e.steady_load import Client, Outcome, busy_load, steady_load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

Load = Callable[[Client], AbstractContextManager[Outcome]]

UP_SECONDS = 180
DOWN_SECONDS = 420

#: Enough for the autoscaler; a pod that has all it can do would answer late while the next one starts beside it.
MESSAGES = {"text": np.array(["call me when you can, I am at the station"] * 200, dtype=object)}
ONE_MESSAGE = {"text": MESSAGES["text"][:1]}
USERS = {"user_id": np.arange(1, 201, dtype=np.int64)}
ONE_USER = {"user_id": USERS["user_id"][:1]}


def test_the_hpa_adds_a_pod_from_real_cpu_metrics_and_takes_it_away_again(services: Mapping[str, Service]) -> None:
    service = services["spam"]
    poll(DOWN_SECONDS, "one pod of spam to begin with", lambda: len(ready_pods("spam")) == 1)
    with _both(service, MESSAGES, _steady(30)) as under_load:
        poll(UP_SECONDS, "the HPA to add a pod", lambda: len(ready_pods("spam")) > 1)
        (metric,) = _hpa("spam-predictor")["status"]["currentMetrics"]
    with _both(service, ONE_MESSAGE, _steady(10)) as after:
        poll(DOWN_SECONDS, "the HPA to take the pod away", lambda: len(ready_pods("spam")) == 1)
    assert metric["resource"]["name"] == "cpu"
    _assert_none_failed(*under_load, *after)


def test_keda_adds_a_pod_from_requests_in_flight_and_takes_it_away_again(services: Mapping[str, Service]) -> None:
    service = services["recommender"]
    poll(DOWN_SECONDS, "one pod of recommender to begin with", lambda: len(ready_pods("recommender")) == 1)
    assert kubectl("get", "scaledobjects", "--namespace", "models", "--output", "name").split() == [
        "scaledobject.keda.sh/recommender-predictor"
    ]
    with _both(service, USERS, _busy(6)) as under_load:
        poll(UP_SECONDS, "KEDA to add a pod", lambda: len(ready_pods("recommender")) > 1)
    with _both(service, ONE_USER, _steady(5)) as after:
        poll(DOWN_SECONDS, "KEDA to take the pod away", lambda: len(ready_pods("recommender")) == 1)
    _assert_none_failed(*under_load, *after)


@contextmanager
def _both(service: Service, tensors: Mapping[str, npt.NDArray[Any]], load: Load) -> Iterator[list[Outcome]]:
    """The same load over REST and gRPC at once."""
    expected = service.rest(tensors)
    with ExitStack() as stack:
        clients = (RestClient(service, tensors, expected), GrpcClient(service, tensors, expected))
        yield [stack.enter_context(load(client)) for client in clients]


def _steady(rate: float) -> Load:
    return lambda client: steady_load(client, rate=rate)


def _busy(in_flight: int) -> Load:
    return lambda client: busy_load(client, in_flight=in_flight)


def _hpa(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", "hpa", name, "--namespace", "models", "--output", "json"))
    return found


def _assert_none_failed(*loads: Outcome) -> None:
    assert [load.failures for load in loads] == [[]] * len(loads)
    assert all(load.count > 0 for load in loads)
