# SPDX-License-Identifier: Apache-2.0
"""The versions of the controllers: which are installed, which are supported, and the files they come in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from cluster.errors import ClusterError

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(?:\"([^\"]*)\"|(\S*))")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Download:
    """One file of a published release.

    Attributes:
        name: Its name in a folder of downloads, such as ``kserve-0.20.0.yaml``.
        url: Where it is published.
        sha256: Its digest in hexadecimal; empty where none is pinned.
    """

    name: str
    url: str
    sha256: str


class Versions:
    """What ``versions.env`` says.

    Args:
        path: The file: lines of ``NAME=value``, values may name others as ``${NAME}``.

    Raises:
        ClusterError: The file cannot be read, or a line of it is not of that form.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = _read(path)

    def installed(self, key: str) -> str:
        """Return the version that is installed where there is none, such as ``0.20.0`` for ``KSERVE``."""
        return self._value(f"{key}_VERSION")

    def supported(self, key: str) -> str:
        """Return the versions that are left alone, as a specifier such as ``>=0.20,<0.22``."""
        return self._value(f"{key}_SUPPORTED")

    def supports(self, key: str, version: str) -> bool:
        """Return whether a version is among the supported ones; its pre-releases count as the release."""
        try:
            release = Version(version).base_version
            return SpecifierSet(self.supported(key)).contains(release)
        except (InvalidVersion, InvalidSpecifier) as err:
            raise ClusterError(f"{self._path}: {key}_SUPPORTED or the version {version} found: {err}") from err

    def download(self, key: str, file: str) -> Download:
        """Return a file of a controller's release.

        Args:
            key: The controller, such as ``KSERVE``.
            file: The file, such as ``KSERVE_CRDS``; a controller of one file names it as itself.
        """
        digest = self._value(f"{file}_SHA256")
        if digest and not _SHA256.fullmatch(digest):
            raise ClusterError(f"{self._path}: {file}_SHA256 is not a SHA-256 in hexadecimal")
        name = f"{file.lower().replace('_', '-')}-{self.installed(key)}.yaml"
        return Download(name, self._value(f"{file}_URL"), digest)

    def _value(self, name: str) -> str:
        try:
            return Template(self._values[name]).substitute(self._values)
        except (KeyError, ValueError) as err:
            raise ClusterError(f"{self._path} lacks {name}, or what it names") from err


def _read(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as err:
        raise ClusterError(f"{path} cannot be read: {err.strerror}") from err
    values = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ClusterError(f"{path}, line {number}: not of the form NAME=value")
        values[found[1]] = found[2] if found[2] is not None else found[3]
    return values
