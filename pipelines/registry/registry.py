# SPDX-License-Identifier: Apache-2.0
"""What a registry gives, wherever it lives."""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from pipelines.registry.alias_log import AliasLog
from pipelines.registry.aliases import Aliases
from pipelines.registry.errors import RegistryError, UnknownVersionError
from pipelines.registry.records import Records
from pipelines.registry.store import Store
from pipelines.registry.stored_version import StoredVersion
from pipelines.registry.version_order import sorted_versions
from predictors.artifact import MANIFEST, Manifest, check_name, open_artifact, parse_manifest
from predictors.errors import ArtifactError


class Registry(ABC):
    """Where versions of models live, in a folder or a bucket.

    Every method raises RegistryError where the registry cannot be reached or refuses, or where a name or version is
    none.

    Attributes:
        root: As it was given, without ``file://`` and without a slash at its end.
        records: What runs have noted beside the models.
    """

    def __init__(self, store: Store) -> None:
        self.root = store.root
        self.records = Records(store)
        self._store = store

    @abstractmethod
    def publish(self, folder: Path) -> str:
        """Verify the artifact in a folder, publish it, and return its address.

        Raises:
            ArtifactError: The folder is not an intact artifact.
            VersionExistsError: The version exists.
        """

    def address(self, name: str, version: str) -> str:
        """Return where a version is, or would be."""
        return f"{self.root}/{name}/{version}"

    def models(self) -> list[str]:
        """Return the names of the models that have a version."""
        names = sorted(name for name in self._store.folders("") if _is_name(name))
        return [name for name in names if self.versions(name)]

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, lowest first; none where there is no such model."""
        _check("name", name)
        found = (path.split("/") for path in self._store.files(name))
        complete = {parts[0] for parts in found if parts[1:] == [MANIFEST]}
        return sorted_versions(filter(_is_name, complete))

    def stored(self, name: str) -> list[StoredVersion]:
        """Return the versions of a model with what there is to know of each, lowest first."""
        _check("name", name)
        files = self._store.files(name)
        homes = [path.removesuffix(f"/{MANIFEST}") for path in files if path.endswith(f"/{MANIFEST}")]
        versions = sorted_versions(filter(_is_name, homes))
        contents = self._store.read_all(f"{name}/{version}/{MANIFEST}" for version in versions)
        found = []
        for version in versions:
            manifest, fault = None, "has just been deleted"
            if (content := contents.get(f"{name}/{version}/{MANIFEST}")) is not None:
                try:
                    manifest, fault = self._parsed(content, name, version), ""
                except RegistryError as err:
                    fault = str(err)
            size = sum(file.size for path, file in files.items() if path.startswith(f"{version}/"))
            published = files[f"{version}/{MANIFEST}"].written
            found.append(StoredVersion(version, self.address(name, version), published, size, manifest, fault))
        return found

    def manifest(self, name: str, version: str) -> Manifest:
        """Return a version's manifest.

        Raises:
            UnknownVersionError: There is no such version.
        """
        _check_both(name, version)
        content = self._store.read(f"{name}/{version}/{MANIFEST}")
        if content is None:
            raise self._unknown(name, version)
        return self._parsed(content, name, version)

    def fetch(self, name: str, version: str, into: Path) -> Path:
        """Bring a version to a folder of this machine, whole or not at all.

        Args:
            name: The model's name.
            version: Its version.
            into: The folder that will hold ``<name>/<version>``. Where that is there already and is this version, it is
                left as it is.

        Returns:
            The artifact's folder, verified.

        Raises:
            UnknownVersionError: There is no such version.
            RegistryError: The files in the registry are not those that were sealed, or something else stands in the
                folder's place.
        """
        manifest = self.manifest(name, version)
        final = into / name / version
        if not final.exists():
            try:
                return self._bring(manifest, final)
            except OSError as err:
                # Another may have brought it in the meantime.
                if not (final / MANIFEST).exists():
                    raise RegistryError(f"{final}: cannot be written: {err.strerror}") from err
        try:
            there = open_artifact(final).manifest
        except ArtifactError as err:
            raise RegistryError(f"{err}; remove {final} and fetch it again") from err
        if there != manifest:
            raise RegistryError(f"{final}: holds another artifact than {self.address(name, version)}; remove it")
        return final

    def aliases(self, name: str) -> Aliases:
        """Return what a model's aliases name; nothing where it has none, or where there is no such model."""
        _check("name", name)
        return AliasLog(self._store, name).read().aliases

    def resolve(self, name: str, version_or_alias: str) -> str:
        """Return the version that is meant by its own name or by an alias.

        Raises:
            UnknownVersionError: It is neither.
        """
        versions = self.versions(name)
        if version_or_alias in versions:
            return version_or_alias
        named = self.aliases(name).named()
        if version_or_alias in named:
            return named[version_or_alias]
        raise self._unknown(name, version_or_alias)

    def tag(self, name: str, alias: str, version: str | None, *, reason: str = "") -> Aliases:
        """Have an alias name a version from now on, and return what all of them name then.

        Of changes made at once none is lost. A new ``champion`` makes the former one ``previous`` in the same moment.
        Nothing is written where the alias names the version already.

        Args:
            name: The model's name.
            alias: Such as ``champion``.
            version: The version; None takes the alias away.
            reason: Why, for the history.

        Raises:
            UnknownVersionError: There is no such version.
            RegistryError: The alias is none, or is a version's name, or is not there to be taken away; or the version
                is being deleted.
        """
        _check("name", name)
        if version is not None:
            _check("version", version)
        return AliasLog(self._store, name).change(
            alias, version, reason, lambda wanted: self._check_taggable(name, alias, wanted)
        )

    def delete(self, name: str, version: str) -> None:
        """Delete a version. Aliases besides champion and previous go with it.

        A deletion that was interrupted is finished by another.

        Raises:
            UnknownVersionError: There is no such version.
            RegistryError: It is the champion or the one before; or another deletes it as well.
        """
        log = self._deletable(name, version)
        number = log.begin_deletion(version)
        self._remove(name, version, lambda: log.check_deletion(version, number))
        log.end_deletion(version)
        self._release(name, version)

    def check_deletable(self, name: str, version: str) -> None:
        """Raise as ``delete`` would now, and delete nothing."""
        self._deletable(name, version)

    @abstractmethod
    def _copy(self, path: str, file: Path) -> bool:
        """Write the content of a file of the registry to one of this machine; return whether there is such a file."""

    @abstractmethod
    def _remove(self, name: str, version: str, go_on: Callable[[], None]) -> None:
        """Remove a version's files, such that the version is gone at once.

        Args:
            name: The model's name.
            version: The version.
            go_on: To be asked before each thing that cannot be undone; raises where another has taken this over.
        """

    @abstractmethod
    def _release(self, name: str, version: str) -> None:
        """Clear away what is left of a version that is gone, and let others publish it again."""

    @abstractmethod
    def _is_half_deleted(self, name: str, version: str) -> bool:
        """Return whether a deletion has left something behind."""

    def _deletable(self, name: str, version: str) -> AliasLog:
        """Return the log of a model whose version may be deleted as things stand."""
        _check_both(name, version)
        log = AliasLog(self._store, name)
        state = log.read()
        log.refuse_champions(state.aliases, version)
        if self._store.read(f"{name}/{version}/{MANIFEST}") is None and not (
            version in state.deletions or self._is_half_deleted(name, version)
        ):
            raise self._unknown(name, version)
        return log

    def _check_taggable(self, name: str, alias: str, version: str) -> None:
        versions = self.versions(name)
        if version not in versions:
            raise self._unknown(name, version)
        if alias in versions:
            raise RegistryError(f"{name} has a version {alias}; choose another alias")

    def _bring(self, manifest: Manifest, final: Path) -> Path:
        """Copy a version's files beside their place, verify them, rename their folder and return it."""
        home = f"{manifest.name}/{manifest.version}"
        final.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            for path in self._store.files(home):
                if "/" in path or not self._copy(f"{home}/{path}", staging / path):
                    raise RegistryError(f"{self.root}/{home}/{path}: not a file of an artifact, or no longer there")
            open_artifact(staging)
            staging.chmod(0o755)
            return staging.rename(final)
        except ArtifactError as err:
            told = str(err).replace(str(staging), f"{self.root}/{home}")
            raise RegistryError(f"{told} (in the registry; publish this model as a new version)") from err
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _parsed(self, content: bytes, name: str, version: str) -> Manifest:
        address = self.address(name, version)
        try:
            manifest = parse_manifest(content, Path(MANIFEST))
        except ArtifactError as err:
            raise RegistryError(f"{address}/{err}") from err
        if (manifest.name, manifest.version) != (name, version):
            raise RegistryError(f"{address}/{MANIFEST}: is that of {manifest.name} {manifest.version}; remove it there")
        return manifest

    def _unknown(self, name: str, version: str) -> UnknownVersionError:
        there = self.versions(name)
        if not there:
            return UnknownVersionError(
                f"{self.root}: has no model {name}; it has: {', '.join(self.models()) or 'none'}"
            )
        aliases = ", ".join(self.aliases(name).named())
        return UnknownVersionError(
            f"{self.root}: {name} has no version {version}; it has: {', '.join(there)}"
            f"{f' (aliases: {aliases})' if aliases else ''}"
        )


def _is_name(text: str) -> bool:
    try:
        check_name("name", text)
    except ValueError:
        return False
    return True


def _check(kind: str, value: str) -> None:
    try:
        check_name(kind, value)
    except ValueError as err:
        raise RegistryError(str(err)) from err


def _check_both(name: str, version: str) -> None:
    _check("name", name)
    _check("version", version)
