# SPDX-License-Identifier: Apache-2.0
"""What a task is told for the place that runs it: Kubeflow on Kubernetes, Vertex AI, or this machine."""

from typing import Any, Final

from kfp import kubernetes

from pipelines.definition.needs import NEEDS, Place

#: A Secret with the object store's keys, and the variables that they become; pods go without where there is none.
OBJECT_STORE_SECRET: Final = "object-store"  # noqa: S105 (a Secret's name)
_VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL": "AWS_ENDPOINT_URL",
    "AWS_REGION": "AWS_REGION",
}


def place_task(task: Any, step: str, place: Place) -> Any:
    """Set a task's caching, resources, retries, time-out and credentials, as far as the place knows them.

    On this machine there is only the cache: a step that fails there fails at once, for whoever waits for it.
    """
    needs = NEEDS[step]
    task.set_caching_options(needs.cached)
    if place == "local":
        return task
    task.set_cpu_request(needs.cpu).set_cpu_limit(needs.cpu)
    task.set_memory_request(needs.memory).set_memory_limit(needs.memory)
    if needs.retries:
        task.set_retry(needs.retries, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="300s")
    if place == "kfp":
        kubernetes.set_timeout(task, needs.minutes * 60)
        kubernetes.use_secret_as_env(task, OBJECT_STORE_SECRET, _VARIABLES, optional=True)
    return task
