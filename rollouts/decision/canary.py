# SPDX-License-Identifier: Apache-2.0
"""The canary's pods: what they are called, and how many a share of the traffic takes."""

from math import ceil
from typing import Final

from rollouts.spec import label_of
from rollouts.status import Former

#: Kubernetes' limit for the value of KServe's label ``app: isvc.SERVICE-NAME-predictor``, less what stands around it.
_LONGEST_NAMES: Final = 63 - len("isvc.--predictor")


def replicas_for(traffic: int, stable_ready: int, former: Former) -> int:
    """Return how many pods a canary with a share of the traffic needs, of those that KServe lets it have.

    Args:
        traffic: The share in per cent.
        stable_ready: How many pods of the stable version take requests.
        former: The service's own bounds: KServe refuses a canary of more pods than the service's least.
    """
    return min(max(1, ceil(stable_ready * traffic / 100)), max(1, former.min_replicas))


def canary_name(service: str, version: str) -> str:
    """Return the canary's predictor's name: of its version, as a label of DNS that fits."""
    return f"v{label_of(version)}"[: _LONGEST_NAMES - len(service)].rstrip("-")
