# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.api import Cluster
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.controller.api_server import api_server


@pytest.fixture
def state() -> Iterator[Kubernetes]:
    """What the API server holds."""
    with api_server() as found:
        yield found


@pytest.fixture
def cluster(state: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The way there."""
    kubeconfig = str(state.kubeconfig(tmp_path / "kubeconfig"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)
    return Cluster()
