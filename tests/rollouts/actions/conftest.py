# SPDX-License-Identifier: Apache-2.0
"""An API server that holds a service without a canary, and the product's own edge to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.api import Cluster
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.actions.api_server import api_server, cluster_at, serve


@pytest.fixture
def server() -> Iterator[Kubernetes]:
    with api_server() as state:
        serve(state)
        yield state


@pytest.fixture
def kubernetes(server: Kubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return cluster_at(server, monkeypatch, tmp_path)
