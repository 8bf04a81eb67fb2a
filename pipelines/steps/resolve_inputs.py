# SPDX-License-Identifier: Apache-2.0
"""The step that fixes what a run starts from; it alone looks at what may change, so that all others can be cached."""

from kfp.dsl import OutputPath


def resolve_inputs(
    use_case: str,
    root: str,
    data: str,
    seed: int,
    because: str,
    deploy_to: str,
    namespace: str,
    data_digest: OutputPath(str),  # type: ignore[valid-type]
    champion: OutputPath(str),  # type: ignore[valid-type]
    version: OutputPath(str),  # type: ignore[valid-type]
    fingerprint: OutputPath(str),  # type: ignore[valid-type]
    reason: OutputPath(str),  # type: ignore[valid-type]
) -> None:
    """Find the data's digest, the version that serves, and the version that a challenger becomes.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        data: A CSV or Parquet file, a path or URI; empty for the use case's own source.
        seed: Decides every split and every random choice.
        because: Why the run was started; empty where nobody said.
        deploy_to: Where versions are served: ``local``, ``kserve`` or ``vertex``.
        namespace: Of the InferenceService.
        data_digest: ``sha256:`` and the digest of the data's bytes.
        champion: The version that serves now; empty where there is none.
        version: The version that a promoted challenger becomes.
        fingerprint: The digest over model, data, seed and code.
        reason: Why, as the lineage keeps it.
    """
    from pathlib import Path

    from pipelines.data.resolution import resolve
    from pipelines.data.source import digest_of_data
    from pipelines.deploying.champion import serving_version
    from pipelines.lineage import code_digest
    from pipelines.registry import open_registry
    from pipelines.use_cases import use_case as find_use_case

    module = find_use_case(use_case)
    name = module.PLAN.name
    registry = open_registry(root)
    digest = digest_of_data(module, data)
    resolved = resolve(
        registry,
        name,
        champion=serving_version(registry, name, deploy_to, namespace),
        data_digest=digest,
        seed=seed,
        code=code_digest(use_case),
        because=because,
    )
    outputs = {
        data_digest: digest,
        champion: resolved.champion,
        version: resolved.version,
        fingerprint: resolved.fingerprint,
        reason: resolved.reason,
    }
    for path, text in outputs.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    against = f"champion {resolved.champion}" if resolved.champion else "no champion yet"
    print(
        f"{name}: the run that made {resolved.version} again"
        if resolved.repeats
        else f"{name}: {against}, a better challenger becomes {resolved.version}"
    )
