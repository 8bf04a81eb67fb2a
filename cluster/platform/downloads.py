# SPDX-License-Identifier: Apache-2.0
"""Files of published releases: from the internet into a cache, or from a folder where there is no internet."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from cluster.errors import ClusterError
from cluster.platform.versions import Download

_TIMEOUT_SECONDS = 60


class Downloads:
    """Where the files are taken from.

    Args:
        cache: Where downloaded files are kept.
        folder: A folder that holds them all, so that nothing is downloaded; None downloads what the cache lacks.
        say: Told of each file taken, its digest included where none is pinned.
    """

    def __init__(self, cache: Path, folder: Path | None, say: Callable[[str], None]) -> None:
        self._cache = cache
        self._folder = folder
        self._say = say

    def read(self, download: Download) -> bytes:
        """Return a file's content.

        Raises:
            ClusterError: It is not in the folder, cannot be downloaded, or has another digest than the one pinned.
        """
        content = self._from_folder(self._folder, download) if self._folder else self._from_cache(download)
        digest = hashlib.sha256(content).hexdigest()
        if not download.sha256:
            self._say(f"{download.name}: no digest is pinned; this file's SHA-256 is {digest}")
        return content

    def _from_folder(self, folder: Path, download: Download) -> bytes:
        path = folder / download.name
        try:
            content = path.read_bytes()
        except FileNotFoundError as err:
            raise ClusterError(
                f"{folder} has no {download.name}: it is {download.url} (`portside install --list-downloads`)"
            ) from err
        except OSError as err:
            raise ClusterError(f"{path} cannot be read: {err.strerror}") from err
        return _checked(content, download, str(path))

    def _from_cache(self, download: Download) -> bytes:
        path = self._cache / download.name
        try:
            return _checked(path.read_bytes(), download, str(path))
        except (FileNotFoundError, ClusterError):
            # Not there yet, or not whole: downloaded (again).
            content = _checked(_fetch(download.url), download, download.url)
        self._cache.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=self._cache)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # Whole or not at all, also when two installations run at once.
        Path(part).replace(path)
        return content


def _checked(content: bytes, download: Download, source: str) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if download.sha256 and digest != download.sha256:
        raise ClusterError(f"{source}: its SHA-256 is {digest}, and versions.env says {download.sha256}")
    return content


def _fetch(url: str) -> bytes:
    try:
        with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 (the URL is the project's own)
            content: bytes = answer.read()
    except (URLError, TimeoutError, ValueError) as err:
        reason = getattr(err, "reason", err)
        raise ClusterError(
            f"{url} cannot be downloaded ({reason}); where there is no internet, give a folder with --downloads"
        ) from err
    return content
