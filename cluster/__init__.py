# SPDX-License-Identifier: Apache-2.0
"""What talks to a Kubernetes cluster: installing the platform, deploying a model, saying how it fares."""

from cluster.api import Cluster
from cluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError"]
