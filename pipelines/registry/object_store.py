# SPDX-License-Identifier: Apache-2.0
"""A bucket on S3 or Google Cloud Storage, as far as a registry needs it, and its refusals as one sentence each."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from pipelines.registry.errors import RegistryError
from pipelines.registry.store import StoredFile

#: Of a scheme: the package that fsspec needs for it, and the extra that brings it.
_PACKAGES: Final = {"s3": ("s3fs", "pipelines"), "gs": ("gcsfs", "gcs")}

#: Of a scheme: what to do where access is refused.
_CREDENTIALS: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, of someone who may write there",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
}

_REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

#: Seconds until a server that does not take a connection is given up; s3fs itself tries five times.
_CONNECT_SECONDS: Final = 5


class ObjectStore:
    """A place in a bucket; see ``Store``."""

    def __init__(self, root: str, *, endpoint_url: str | None = None) -> None:
        """Use what stands behind a root.

        Args:
            root: ``s3://bucket[/prefix]`` or ``gs://bucket[/prefix]``.
            endpoint_url: A server instead of the scheme's own; None takes what the scheme's usual settings say.

        Raises:
            RegistryError: The root is no such address, or a package for it is not installed.
        """
        self._scheme, _, place = root.partition("://")
        self._place = place.strip("/")
        self.root = f"{self._scheme}://{self._place}"
        if self._scheme not in _PACKAGES or not self._place:
            raise RegistryError(f"{root}: a registry is s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or a local folder")
        with self._told():
            self._files = _file_system(self._scheme, endpoint_url)

    def folders(self, folder: str) -> set[str]:
        """Return the names of the folders in a folder."""
        place = f"{self._place}/{folder}".rstrip("/")
        with self._told():
            try:
                found = self._files.ls(place, detail=True)
            except FileNotFoundError:
                # Said of an empty folder as of a bucket that is not there; only of the latter does a search say so.
                self._files.find(f"{place}/")
                return set()
        inside = [entry["name"].rstrip("/") for entry in found if entry["type"] == "directory"]
        return {name.rpartition("/")[2] for name in inside if name != place}

    def files(self, folder: str) -> dict[str, StoredFile]:
        """Return the objects in a folder and in folders within it, by their path relative to it."""
        prefix = f"{self._place}/{folder}/"
        with self._told():
            found = self._files.find(self._place, prefix=f"{folder}/", detail=True)
        return {
            path.removeprefix(prefix): StoredFile(int(entry["size"]), _written(entry))
            for path, entry in found.items()
            if path.startswith(prefix) and path != prefix
        }

    def read(self, path: str) -> bytes | None:
        """Return an object's content; None when there is none."""
        with self._told():
            try:
                content: bytes = self._files.cat_file(f"{self._place}/{path}")
            except FileNotFoundError:
                return None
            return content

    def read_all(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of these objects that are there; many are asked for at once."""
        places = {f"{self._place}/{path}": path for path in paths}
        if not places:
            return {}
        with self._told():
            found = self._files.cat(list(places), on_error="return")
            failures = [content for content in found.values() if isinstance(content, Exception)]
            for failure in failures:
                if not isinstance(failure, FileNotFoundError):
                    raise failure
        return {places[place]: content for place, content in found.items() if isinstance(content, bytes)}

    def write(self, path: str, content: bytes) -> None:
        """Write an object, over what may be there."""
        with self._told():
            self._files.pipe_file(f"{self._place}/{path}", content)

    def upload(self, path: str, file: Path) -> None:
        """Write a file as an object, over what may be there."""
        with self._told():
            self._files.put_file(str(file), f"{self._place}/{path}")

    def download(self, path: str, file: Path) -> bool:
        """Write an object's content to a file, and return whether there is such an object."""
        with self._told():
            try:
                self._files.get_file(f"{self._place}/{path}", str(file))
            except FileNotFoundError:
                return False
            return True

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one, and return whether there was none: of several writers one does it."""
        with self._told():
            try:
                self._files.pipe_file(f"{self._place}/{path}", content, mode="create")
            except OSError as err:
                if not _is_taken(err):
                    raise
                return False
            return True

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        with self._told():
            try:
                self._files.rm_file(f"{self._place}/{path}")
            except FileNotFoundError:
                return

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the errors of file systems into one sentence each."""
        bucket = self._place.partition("/")[0]
        try:
            yield
        except RegistryError:
            raise
        except FileNotFoundError as err:
            raise RegistryError(f'{self.root}: there is no bucket "{bucket}"; create it, or correct its name') from err
        except PermissionError as err:
            raise RegistryError(f"{self.root}: access is refused ({err}); {_CREDENTIALS[self._scheme]}") from err
        except _errors_of(self._scheme) as err:
            raise RegistryError(_sentence(self.root, self._scheme, err)) from err


def _file_system(scheme: str, endpoint_url: str | None) -> Any:
    package, extra = _PACKAGES[scheme]
    try:
        import fsspec

        implementation = fsspec.get_filesystem_class(scheme)
    except ImportError as err:
        raise RegistryError(f"{scheme}:// needs {package}: install portside[{extra}]") from err
    # Each store asks anew: what was listed a moment ago may have changed.
    fresh = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        once = {"connect_timeout": _CONNECT_SECONDS, "retries": {"total_max_attempts": 1}}
        return implementation(endpoint_url=endpoint_url, config_kwargs=once, **fresh)
    # It logs each error with a traceback besides raising it.
    logging.getLogger(package).setLevel(logging.CRITICAL)
    return implementation(endpoint_url=endpoint_url, **fresh)


def _written(entry: Mapping[str, Any]) -> datetime:
    """Return when an object was written: s3fs calls it as S3 does, gcsfs ``mtime``."""
    moment: datetime = entry.get("LastModified") or entry["mtime"]
    return moment.astimezone(UTC)


def _errors_of(scheme: str) -> tuple[type[Exception], ...]:
    if scheme == "s3":
        from botocore.exceptions import BotoCoreError, ClientError

        return (OSError, ValueError, BotoCoreError, ClientError)
    from aiohttp import ClientError as HttpClientError
    from gcsfs.retry import HttpError
    from google.auth.exceptions import GoogleAuthError

    return (OSError, ValueError, HttpClientError, HttpError, GoogleAuthError)


def _is_taken(err: OSError) -> bool:
    """Return whether a conditional write was refused because there is an object, or another such write is under way."""
    code = _answer(err).get("Error", {}).get("Code")
    return isinstance(err, FileExistsError) or code in ("PreconditionFailed", "412", "ConditionalRequestConflict")


def _answer(err: Exception) -> dict[str, Any]:
    """Return the S3 server's answer as botocore has it; an empty one where there was none."""
    answer: dict[str, Any] = getattr(err.__cause__, "response", None) or getattr(err, "response", None) or {}
    return answer


def _sentence(root: str, scheme: str, err: Exception) -> str:
    name = type(err).__name__
    answer = _answer(err)
    if answer:
        told = answer.get("Error", {}).get("Message") or str(err)
        if answer.get("ResponseMetadata", {}).get("HTTPStatusCode") in _REFUSED:
            return f"{root}: access is refused ({told}); {_CREDENTIALS[scheme]}"
        return f"{root}: the server refuses: {told}"
    if "Credential" in name or "Auth" in name or "Profile" in name:
        return f"{root}: {err}; {_CREDENTIALS[scheme]}"
    if "Connect" in name or "Timeout" in name:
        return f"{root}: the server cannot be reached ({err}); is it up, and is the endpoint right?"
    return f"{root}: {' '.join(str(err).split()) or name}"
