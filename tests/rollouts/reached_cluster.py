# SPDX-License-Identifier: Apache-2.0
"""The product's own edge to Kubernetes, led to a test's API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.api import Cluster
from tests.cluster.kubernetes_server import Kubernetes, kubernetes


@contextmanager
def reached_cluster(folder: Path) -> Iterator[tuple[Kubernetes, Cluster]]:
    """Run an API server while the block lasts, whose kubeconfig lies in the folder."""
    with kubernetes() as state, pytest.MonkeyPatch.context() as monkeypatch:
        kubeconfig = str(state.kubeconfig(folder / "kubeconfig"))
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
        # The client has read the environment when it was imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)
        yield state, Cluster()
