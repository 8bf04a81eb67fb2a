# SPDX-License-Identifier: Apache-2.0
"""What a run starts from: the champion it is up against and the version it may become, or which run it repeats."""

from dataclasses import dataclass

from pipelines.lineage import fingerprint
from pipelines.registry import Registry, next_version


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a run's steps are asked with.

    Attributes:
        champion: The version that serves; empty where there is none.
        version: What the challenger is called when it is promoted.
        fingerprint: The digest over model, data, seed and code.
        reason: Why it is trained; empty where nobody said.
        repeats: Whether an earlier run had the same inputs and its version is in the registry.
    """

    champion: str
    version: str
    fingerprint: str
    reason: str
    repeats: bool = False


def resolve(
    registry: Registry, name: str, *, champion: str, data_digest: str, seed: int, code: str, because: str
) -> Resolved:
    """Return what a run starts from.

    Where the champion came from the very same inputs, or a version that was packed to take its place, this is that run
    again: it is given the same version, champion and reason, so that its steps come from the cache and what is left of
    it is done.

    Args:
        registry: Where versions live.
        name: The model's name.
        champion: The version that serves now; empty where there is none.
        data_digest: Of the data.
        seed: Of the run.
        code: Of ``code_digest``.
        because: Why it was started.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    wanted = fingerprint(name, data_digest, seed, code)
    versions = registry.versions(name)
    for version in reversed(versions):
        lineage = registry.manifest(name, version).lineage
        before = str(lineage.get("champion", ""))
        # An older one that has since been overcome is no answer: it is to be compared with the present champion.
        if lineage.get("fingerprint") == wanted and champion in (version, before):
            return Resolved(before, version, wanted, str(lineage.get("reason", "")), repeats=True)
    return Resolved(champion, next_version(versions), wanted, because)
