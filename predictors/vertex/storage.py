# SPDX-License-Identifier: Apache-2.0
"""A folder of Cloud Storage brought to this machine over its JSON API, with nothing but the standard library."""

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import orjson

from predictors.errors import ArtifactError
from predictors.vertex.contract import STORAGE_URI

_log = logging.getLogger(__name__)

#: Another storage server, as Google's own clients have it; it is asked without a token.
EMULATOR: Final = "STORAGE_EMULATOR_HOST"
#: Another metadata server; where it is set, a token is asked of it for an emulator too.
METADATA_HOST: Final = "GCE_METADATA_HOST"
_STORAGE: Final = "https://storage.googleapis.com"
_METADATA: Final = "metadata.google.internal"
_TOKEN_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 (a path)
_SECONDS: Final = 30.0
#: A pause, in seconds, before each further try of what a moment may mend.
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)


def download(uri: str, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Copy the objects of a folder in Cloud Storage into a local folder, which must not exist yet.

    Nothing is checked but that all came: the artifact's own digests tell whether it is whole.

    Args:
        uri: ``gs://BUCKET/FOLDER``.
        folder: Where the files go.
        environ: May name another storage or metadata server.

    Raises:
        ArtifactError: There is no such folder, it is not flat, or it cannot be read.
    """
    begin = time.monotonic()
    bucket, _, path = uri.removeprefix("gs://").partition("/")
    prefix = f"{path.rstrip('/')}/" if path else ""
    store = _Store(uri, bucket, environ)
    names = [name for name in store.names(prefix) if name != prefix]
    if not names:
        raise ArtifactError(f"{uri}: there is nothing below it; {STORAGE_URI} must be the folder of an artifact")
    folder.mkdir(parents=True)
    for name in names:
        relative = name.removeprefix(prefix)
        if "/" in relative or relative in {".", ".."} or "\0" in relative:
            raise ArtifactError(
                f"{uri}: it holds folders, and an artifact none; {STORAGE_URI} must be one version's folder, as "
                "gs://BUCKET/NAME/VERSION"
            )
        store.copy(name, folder / relative)
    _log.info("copied %d files of %s in %.1f s", len(names), uri, time.monotonic() - begin)


class _NoRedirects(HTTPRedirectHandler):
    """A token must not follow a redirect to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


class _Store:
    """One bucket, read with the rights of the machine."""

    def __init__(self, uri: str, bucket: str, environ: Mapping[str, str]) -> None:
        self._uri = uri
        self._opener: OpenerDirector = build_opener(_NoRedirects)
        emulator, metadata = environ.get(EMULATOR, ""), environ.get(METADATA_HOST, "")
        base = emulator if "://" in emulator or not emulator else f"http://{emulator}"
        self._objects = f"{(base or _STORAGE).rstrip('/')}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._headers = self._token(metadata or _METADATA) if metadata or not emulator else {}

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all objects that begin so."""
        page = ""
        while True:
            query = {"prefix": prefix, "fields": "items(name),nextPageToken", **({"pageToken": page} if page else {})}
            document = orjson.loads(self._read(f"{self._objects}?{urlencode(query)}", self._headers))
            yield from (item["name"] for item in document.get("items", ()))
            page = document.get("nextPageToken", "")
            if not page:
                return

    def copy(self, name: str, file: Path) -> None:
        """Copy an object into a file."""
        self._read(f"{self._objects}/{quote(name, safe='')}?alt=media", self._headers, file)

    def _token(self, host: str) -> dict[str, str]:
        body = self._read(f"http://{host}{_TOKEN_PATH}", {"Metadata-Flavor": "Google"})
        return {"Authorization": f"Bearer {orjson.loads(body)['access_token']}"}

    def _read(self, url: str, headers: Mapping[str, str], file: Path | None = None) -> bytes:
        """Return what a URL answers, or write it into a file; what a moment may mend is tried again."""
        for pause in (*_PAUSES, None):
            try:
                return self._read_once(url, headers, file)
            except HTTPError as err:
                err.close()
                if pause is None or not _may_pass(err.code):
                    raise ArtifactError(f"{self._uri}: {self._refusal(err)}") from err
            except (URLError, OSError, HTTPException) as err:
                if pause is None:
                    host = url.split("/")[2]
                    raise ArtifactError(f"{self._uri}: {host} cannot be reached ({_reason(err)})") from err
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _read_once(self, url: str, headers: Mapping[str, str], file: Path | None) -> bytes:
        with self._opener.open(Request(url, headers=dict(headers)), timeout=_SECONDS) as answer:  # noqa: S310 (http, https)
            if file is None:
                content: bytes = answer.read()
                return content
            with file.open("wb") as target:
                shutil.copyfileobj(answer, target)
            length = answer.headers.get("Content-Length")
            if length is not None and int(length) != file.stat().st_size:
                raise ConnectionError("the answer ended too early")
            return b""

    def _refusal(self, err: HTTPError) -> str:
        if err.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return (
                "access is refused; the service account that the model is deployed with needs the role "
                "roles/storage.objectViewer on the bucket"
            )
        if err.code == HTTPStatus.NOT_FOUND:
            return "there is no such bucket or object, or the machine has no service account"
        return f"Cloud Storage answers {err.code}"


def _may_pass(status: int) -> bool:
    server_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return server_fault or status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}


def _reason(err: Exception) -> str:
    return str(getattr(err, "reason", "") or err or type(err).__name__)
