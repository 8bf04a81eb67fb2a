# SPDX-License-Identifier: Apache-2.0
"""The step that publishes a version, serves it, has it answer its golden requests, and makes it the champion."""

from kfp.dsl import Artifact, Input


def deploy_model(
    use_case: str,
    root: str,
    version: str,  # noqa: ARG001 (for people who look at the run; the artifact says it itself)
    champion: str,
    deploy_to: str,
    namespace: str,
    options: dict,  # type: ignore[type-arg]  # Kubeflow knows it bare
    artifact: Input[Artifact],
) -> None:
    """Bring a challenger into the champion's place, or leave everything as it was.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        version: The version.
        champion: The version that it was compared with; empty where there was none.
        deploy_to: ``local``, ``kserve`` or ``vertex``.
        namespace: Of the InferenceService.
        options: How it is deployed, as ``NAME=VALUE`` tells it.
        artifact: The model artifact, a folder.
    """
    from pathlib import Path

    from pipelines.deploying.champion import serving_version
    from pipelines.deploying.places import place_of
    from pipelines.deploying.promotion import promote
    from pipelines.registry import open_registry
    from pipelines.use_cases import imports_of
    from pipelines.use_cases import use_case as find_use_case

    registry = open_registry(root)
    place = place_of(deploy_to, registry, namespace, options, imports=imports_of(use_case), tell=print)
    serving = serving_version(registry, find_use_case(use_case).PLAN.name, deploy_to, namespace)
    promote(registry, Path(artifact.path), place, champion=champion, serving=serving, tell=print)
