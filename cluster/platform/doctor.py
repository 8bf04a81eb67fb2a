# SPDX-License-Identifier: Apache-2.0
"""Looking a cluster over: every check, in the order in which one thing needs another."""

from collections.abc import Callable, Iterator

from cluster.api import Cluster
from cluster.errors import ClusterError
from cluster.platform import model_checks, platform_checks, rollout_checks
from cluster.platform.findings import Finding
from cluster.platform.versions import Versions


def examine(cluster: Cluster, versions: Versions, namespace: str) -> Iterator[Finding]:
    """Yield what every check finds; one that the cluster refuses is a problem, and the others go on.

    Args:
        cluster: The cluster.
        versions: Which versions of the controllers are supported.
        namespace: The namespace of the models.
    """
    checks: dict[str, Callable[[], list[Finding]]] = {
        "Kubernetes API": lambda: platform_checks.check_api(cluster),
        "KServe": lambda: platform_checks.check_kserve(cluster, versions),
        "gateway": lambda: platform_checks.check_gateway(cluster, versions),
        "namespaces": lambda: model_checks.check_namespaces(cluster, namespace),
        "runtime": lambda: model_checks.check_runtime(cluster, namespace),
        "storage": lambda: model_checks.check_storage(cluster, namespace),
        "metrics API": lambda: platform_checks.check_metrics(cluster),
        "KEDA": lambda: platform_checks.check_keda(cluster, versions),
        "Prometheus": lambda: model_checks.check_prometheus(cluster),
        "rollouts": lambda: rollout_checks.check_rollouts(cluster),
    }
    for name, check in checks.items():
        try:
            yield from check()
        except ClusterError as err:
            yield Finding(name, "problem", str(err), "see that you may read it, and that the API server is well")
