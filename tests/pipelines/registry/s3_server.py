# SPDX-License-Identifier: Apache-2.0
"""An S3 server for tests: moto behind HTTP, and a door before it that can hold a request."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "models"


class Door:
    """Stands before the server and can hold a kind of request.

    Attributes:
        arrived: Set once such a request came while it was held; it is dropped then.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._held: tuple[str, str] | None = None
        self._go_on = threading.Event()
        self.arrived = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        method, end = self._held or ("", "")
        if environ["REQUEST_METHOD"] == method and environ["PATH_INFO"].endswith(end):
            self.arrived.set()
            self._go_on.wait(60)
            start_response("503 Service Unavailable", [])
            return [b""]
        return self._app(environ, start_response)

    @contextmanager
    def held(self, method: str, end: str) -> Iterator[None]:
        """Hold the requests of a method to paths that end so."""
        self.arrived.clear()
        self._go_on.clear()
        self._held = method, end
        try:
            yield
        finally:
            self._held = None
            self._go_on.set()


class Store(NamedTuple):
    """An S3 server, and a client that looks at it past the product."""

    url: str
    door: Door
    client: Any

    @contextmanager
    def bucket(self) -> Iterator[None]:
        """Have an empty bucket while the block lasts."""
        self.client.create_bucket(Bucket=BUCKET)
        yield
        for key in self.objects():
            self.client.delete_object(Bucket=BUCKET, Key=key)
        self.client.delete_bucket(Bucket=BUCKET)

    def objects(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def get(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    @contextmanager
    def checked_credentials(self) -> Iterator[None]:
        """Have the server ask who someone is; it knows nobody."""
        self._set_unchecked(b"0")
        try:
            yield
        finally:
            self._set_unchecked(b"inf")

    def _set_unchecked(self, requests: bytes) -> None:
        told = {"Content-Type": "text/plain"}
        with urlopen(Request(f"{self.url}/moto-api/reset-auth", data=requests, headers=told), timeout=10) as answer:
            assert answer.status == 200

    def download(self, prefix: str, folder: Path) -> Path:
        folder.mkdir()
        for key in self.objects(f"{prefix}/"):
            self.client.download_file(BUCKET, key, str(folder / key.removeprefix(f"{prefix}/")))
        return folder


@contextmanager
def s3_server(keys: Mapping[str, str]) -> Iterator[Store]:
    """Run a server without buckets while the block lasts."""
    door = Door(DomainDispatcherApplication(create_backend_app))
    # One request at a time: a conditional write is then as indivisible as S3's own.
    running = make_server("127.0.0.1", 0, door, threaded=False)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    url = f"http://127.0.0.1:{running.server_port}"
    client = boto3.client("s3", endpoint_url=url, **{name.lower(): value for name, value in keys.items()})
    try:
        yield Store(url, door, client)
    finally:
        client.close()
        running.shutdown()
        thread.join()
        running.server_close()
