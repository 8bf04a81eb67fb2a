# SPDX-License-Identifier: Apache-2.0
"""The places by the names that a pipeline knows them by; each brings in only what it needs itself."""

from collections.abc import Callable, Mapping, Sequence

from pipelines.deploying.promotion import Place
from pipelines.errors import StepError
from pipelines.registry import Registry
from predictors.artifact import Artifact


def place_of(
    deploy_to: str,
    registry: Registry,
    namespace: str,
    options: Mapping[str, str],
    *,
    imports: Sequence[str] = (),
    tell: Callable[[str], None],
) -> Place:
    """Return the place that a pipeline deploys to.

    Args:
        deploy_to: ``local``, ``kserve`` or ``vertex``.
        registry: Where versions live.
        namespace: Of the InferenceService.
        options: How a version is deployed, in the words of a user.
        imports: What a pickled model may import on trial, besides the platform's list.
        tell: Takes a line whenever there is news.

    Raises:
        StepError: There is no such place, an option is wrong, or the place cannot read the registry.
        ClusterError: There is no cluster.
    """
    if deploy_to == "local":
        from pipelines.deploying.local import LocalPlace

        return LocalPlace(registry, imports)
    if deploy_to == "kserve":
        from cluster import Cluster
        from pipelines.deploying.kserve import KServePlace
        from pipelines.deploying.options import Options

        chosen = Options.of(options)
        if "://" not in registry.root:
            raise StepError(
                f"{registry.root} is a folder of this machine, which pods cannot read: give the registry as "
                "--root s3://BUCKET or gs://BUCKET, or serve here with --deploy local"
            )
        return KServePlace(Cluster(), namespace, chosen, tell)
    if deploy_to == "vertex":
        return _VertexPlace(registry, options)
    raise StepError(f"{deploy_to}: versions are deployed to local, kserve or vertex")


class _VertexPlace:
    """An endpoint of Vertex AI."""

    def __init__(self, registry: Registry, options: Mapping[str, str]) -> None:
        self._registry = registry
        self._options = options

    def is_serving(self, artifact: Artifact, address: str) -> bool:  # noqa: ARG002 (the place's interface)
        """Return False: deploying there looks itself, and does nothing where all is done."""
        return False

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:  # noqa: ARG002 (likewise)
        """Deploy it to the model's endpoint, which goes on with the former version where that fails."""
        from pipelines.vertex.deployment import deploy

        manifest = artifact.manifest
        endpoint = deploy(self._registry, manifest.name, manifest.version, artifact.folder, self._options)
        return f"at {endpoint}"
