# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Cloud Storage's JSON API and the metadata server that gives tokens, over real HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

TOKEN = "ya29.of-the-service-account"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


@dataclass
class FakeCloudStorage:
    """One bucket, "models".

    Attributes:
        host: Its host and port; the metadata server's too.
        objects: Contents by name.
        needs_token: Whether requests without the token are refused.
        faults: Statuses of the next answers, in order, instead of what was asked for.
        page_size: How many names a page of a listing has.
        gate: Requests wait until it is set.
    """

    host: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    needs_token: bool = False
    faults: list[int] = field(default_factory=list)
    page_size: int = 2
    gate: threading.Event = field(default_factory=threading.Event)

    def put(self, folder: Path, prefix: str) -> None:
        """Upload the files of a folder."""
        self.objects.update({f"{prefix}/{path.name}": path.read_bytes() for path in folder.iterdir()})

    def answer(self, url: str, headers: Any) -> tuple[int, bytes]:
        """Return the status and body of a GET."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        if parts.path == _TOKEN_PATH:
            is_asked_right = headers.get("Metadata-Flavor") == "Google"
            return (200, orjson.dumps({"access_token": TOKEN, "expires_in": 3599})) if is_asked_right else (403, b"")
        if self.faults:
            return self.faults.pop(0), b"{}"
        if self.needs_token and headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, b"{}"
        home = "/storage/v1/b/models/o"
        if parts.path == home:
            return 200, self._page(query)
        name = unquote(parts.path.removeprefix(f"{home}/"))
        is_there = parts.path.startswith(f"{home}/") and "/" not in parts.path.removeprefix(f"{home}/")
        if not is_there or name not in self.objects or query != {"alt": "media"}:
            return 404, b"{}"
        return 200, self.objects[name]

    def _page(self, query: dict[str, str]) -> bytes:
        names = sorted(name for name in self.objects if name.startswith(query.get("prefix", "")))
        start = int(query.get("pageToken", 0))
        document: dict[str, Any] = {"items": [{"name": name} for name in names[start : start + self.page_size]]}
        if start + self.page_size < len(names):
            document["nextPageToken"] = str(start + self.page_size)
        return orjson.dumps(document if names else {})


@contextmanager
def fake_cloud_storage() -> Iterator[FakeCloudStorage]:
    """Serve one on a free port until the block ends."""
    fake = FakeCloudStorage()
    fake.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.gate.wait()
            status, body = fake.answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            fake.gate.set()
            server.shutdown()
            thread.join()
