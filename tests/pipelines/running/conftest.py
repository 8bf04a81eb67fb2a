# SPDX-License-Identifier: Apache-2.0
"""A Kubeflow of the tests' own, other servers, and nobody else's settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.pipelines.running.fake_kfp import FakeKubeflow, serve_kubeflow

IMAGE = f"registry.example.com/portside/pipeline@sha256:{'0' * 64}"


@pytest.fixture
def kubeflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubeflow]:
    for name in ("KF_PIPELINES_SA_TOKEN_PATH", "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PORTSIDE_PIPELINE_IMAGE", IMAGE)
    with serve_kubeflow() as kubeflow:
        yield kubeflow


@contextmanager
def another_server(status: int, content: bytes, **headers: str) -> Iterator[str]:
    """Run a server that has this one answer, while the block lasts; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
