# SPDX-License-Identifier: Apache-2.0
"""The order in which a version becomes the champion: published, deployed, proven, and only then tagged.

Each part does nothing where its work is done, so that a run that was interrupted anywhere is completed by the next.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pipelines.errors import StepError
from pipelines.registry import CHAMPION, Aliases, Registry, VersionExistsError
from predictors.artifact import Artifact, open_artifact


class Place(Protocol):
    """Where versions are served."""

    def is_serving(self, artifact: Artifact, address: str) -> bool:
        """Return whether it serves this version already, as it is wanted.

        Args:
            artifact: The version.
            address: Where the registry has it.
        """
        ...

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:
        """Serve a version, have it answer its golden requests, and say in a few words where it is asked.

        Where it cannot be served, or answers otherwise, what served before serves again.

        Args:
            artifact: The version.
            address: Where the registry has it.
            former: Where the registry has the version to go back to; None when there is none.

        Raises:
            StepError: It does not serve; the text says why, and what serves instead.
        """
        ...


def promote(
    registry: Registry, folder: Path, place: Place, *, champion: str, serving: str, tell: Callable[[str], None]
) -> None:
    """Publish the artifact in a folder, serve it, and make it the champion once it has answered right.

    Args:
        registry: Where versions live.
        folder: The artifact.
        place: Where it is to be served.
        champion: The version that it was compared with; empty where there was none.
        serving: The version that serves now, as `champion.serving_version` has it; empty where none does.
        tell: Takes a line for each thing done.

    Raises:
        StepError: The version exists with another content, another one has come to serve meanwhile, or it does not
            serve.
        RegistryError: The registry cannot be reached or refuses.
    """
    artifact = open_artifact(folder)
    name, version = artifact.manifest.name, artifact.manifest.version
    title = f"{name} {version}"
    aliases = registry.aliases(name)
    is_champion = aliases.champion == version
    if _was_champion(aliases, version) and not (is_champion and serving == version):
        instead = serving if is_champion else aliases.champion
        tell(f"{title} was champion and was taken back for {instead or 'none'}: it is not deployed again")
        return
    if serving not in (version, champion):
        raise StepError(
            f"{title} was compared with {champion or 'no champion'}, and {serving or 'none'} has come to serve "
            "meanwhile: start the run again, and it is compared with that one"
        )
    address = _publish(registry, artifact, tell)
    if is_champion and place.is_serving(artifact, address):
        tell(f"nothing to do: {title} is published, serves, and is the champion")
        return
    before = aliases.previous if is_champion else champion
    former = registry.address(name, before) if before else None
    tell(f"{title} serves {place.serve(artifact, address, former)}; its golden requests are answered right")
    if not is_champion:
        registry.tag(name, CHAMPION, version, reason=_reason(artifact))
        tell(f"{title} is the champion" + (f" in place of {champion}" if champion else ""))


def _publish(registry: Registry, artifact: Artifact, tell: Callable[[str], None]) -> str:
    name, version = artifact.manifest.name, artifact.manifest.version
    try:
        address = registry.publish(artifact.folder)
    except VersionExistsError as err:
        if registry.manifest(name, version) != artifact.manifest:
            raise StepError(
                f"{registry.address(name, version)}: this version exists with another content, which another run has "
                "published meanwhile; start the run again, and it takes the next version"
            ) from err
        return registry.address(name, version)
    tell(f"published {address}")
    return address


def _was_champion(aliases: Aliases, version: str) -> bool:
    return any((change.alias, change.version) == (CHAMPION, version) for change in aliases.history)


def _reason(artifact: Artifact) -> str:
    lineage = artifact.manifest.lineage
    run = f"run {lineage['run']}" if "run" in lineage else "a pipeline run"
    return f"{run}: {lineage['reason']}" if "reason" in lineage else run
