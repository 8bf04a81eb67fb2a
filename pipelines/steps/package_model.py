# SPDX-License-Identifier: Apache-2.0
"""The step that makes a trained model the artifact of a version, with its evaluation and its lineage in it."""

from kfp.dsl import Artifact, Input, Model, Output


def package_model(
    use_case: str,
    root: str,
    version: str,
    champion: str,
    data: str,
    data_digest: str,
    fingerprint: str,
    seed: int,
    reason: str,
    model: Input[Model],
    evaluation: Input[Artifact],
    artifact: Output[Artifact],
) -> None:
    """Pack a challenger that is to be promoted.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        version: The version that it becomes.
        champion: The version that it was compared with; empty where there was none.
        data: Where its data came from; empty is the use case's own source.
        data_digest: ``sha256:`` and the digest of the data's bytes.
        fingerprint: The digest over model, data, seed and code.
        seed: What decided every random choice.
        reason: Why it was trained; empty where nobody said.
        model: The training's folder.
        evaluation: The evaluation, JSON.
        artifact: The model artifact, a folder.
    """
    import json
    import os
    import tempfile
    from pathlib import Path

    from pipelines.deploying.package import Origin, package, published_by_this_run, put
    from pipelines.registry import open_registry
    from pipelines.use_cases import imports_of
    from pipelines.use_cases import use_case as find_use_case

    plan = find_use_case(use_case).PLAN
    registry = open_registry(root)
    into = Path(artifact.path)
    if published_by_this_run(registry, plan.name, version, fingerprint):
        with tempfile.TemporaryDirectory(prefix="portside-package-") as temporary:
            packed = put(registry.fetch(plan.name, version, Path(temporary)), into)
        print(f"{plan.name} {version} is published already: taken from there")
    else:
        origin = Origin(
            data_source=data or plan.source,
            data_digest=data_digest,
            seed=seed,
            fingerprint=fingerprint,
            champion=champion,
            reason=reason,
            run=os.environ["PORTSIDE_RUN"],
        )
        metrics = json.loads(Path(evaluation.path).read_bytes())["metrics"]
        # The first figure of an artifact is the one that lists show.
        metrics = dict(sorted(metrics.items(), key=lambda figure: figure[0] != plan.primary))
        packed = package(
            Path(model.path),
            name=plan.name,
            version=version,
            origin=origin,
            metrics=metrics,
            into=into,
            imports=imports_of(use_case),
        )
        print(f"packed {plan.name} {version}, {len(packed.manifest.files) + 1} files")
    artifact.metadata.update({"model": plan.name, "version": version, **packed.manifest.metrics})
