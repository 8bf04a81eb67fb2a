# SPDX-License-Identifier: Apache-2.0
"""The places that run pipelines, and what each step needs of them; known without Kubeflow."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

#: ``kfp`` is Kubeflow Pipelines on Kubernetes, ``local`` this machine.
Place: TypeAlias = Literal["kfp", "vertex", "local"]

#: The registry that a compiled pipeline names; whoever starts a run names their own.
DEFAULT_ROOTS: Final[dict[Place, str]] = {"kfp": "s3://models", "vertex": "gs://models", "local": "build/registry"}
#: Where a place's runs serve what they promote.
TARGETS: Final[dict[Place, str]] = {"kfp": "kserve", "vertex": "vertex", "local": "local"}


@dataclass(frozen=True)
class Needs:
    """What a step needs of the place that runs it.

    Attributes:
        cpu: Kubernetes CPUs, request and limit.
        memory: Kubernetes bytes, request and limit.
        minutes: After which it is given up.
        retries: How often it is tried again. A refusal is final and costs its retries too, so only steps that reach
            out to other systems have some.
        cached: Whether the same inputs give the same outputs and nothing else happens.
    """

    cpu: str
    memory: str
    minutes: int
    retries: int = 0
    cached: bool = True


NEEDS: Final = {
    "resolve_inputs": Needs("500m", "1Gi", 10, retries=2, cached=False),
    "load_data": Needs("1", "2Gi", 30, retries=2),
    "validate_data": Needs("1", "2Gi", 30),
    "train_model": Needs("2", "4Gi", 180),
    "evaluate_model": Needs("1", "2Gi", 60),
    "compare_models": Needs("1", "2Gi", 60),
    "package_model": Needs("1", "2Gi", 60),
    "deploy_model": Needs("500m", "1Gi", 60, cached=False),
    "report_run": Needs("250m", "512Mi", 10, retries=2, cached=False),
    "score_batch": Needs("1", "2Gi", 120, retries=1, cached=False),
}
