# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests: the command line's own, on free ports, ended with the test."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson

START_SECONDS = 90
_SERVING = re.compile(r"serving .* on http://127\.0\.0\.1:(\d+)(?: and grpc://127\.0\.0\.1:(\d+))?")


@dataclass
class RunningServer:
    """A server that answers.

    Attributes:
        process: Its process.
        http_port: REST.
        grpc_port: gRPC; 0 when it serves none.
        log: The lines it wrote so far.
    """

    process: subprocess.Popen[str]
    http_port: int = 0
    grpc_port: int = 0
    log: list[str] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and JSON body of a GET."""
        return self._send(Request(f"http://127.0.0.1:{self.http_port}{path}"))

    def post(self, path: str, document: Any, **headers: str) -> tuple[int, Any]:
        """Return status and JSON body of a POST; bytes are sent as they are, anything else as JSON."""
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        told = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self._send(Request(f"http://127.0.0.1:{self.http_port}{path}", data=body, headers=told))

    def infer(self, model: str, document: Any) -> dict[str, Any]:
        """Return the answer to a V2 request that must succeed."""
        status, answer = self.post(f"/v2/models/{model}/infer", document)
        assert status == 200, answer
        assert isinstance(answer, dict)
        return answer

    def _send(self, request: Request) -> tuple[int, Any]:
        try:
            with urlopen(request, timeout=30) as response:
                return response.status, orjson.loads(response.read())
        except HTTPError as err:
            return err.code, orjson.loads(err.read())


@contextmanager
def serving(*folders: Path, options: tuple[str, ...] = (), **environ: str) -> Iterator[RunningServer]:
    """Serve artifacts on free ports until the block ends."""
    words = [sys.executable, "-m", "portside", "serve", *map(str, folders), "--http-port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(
        [*words, *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREDICTOR_DRAIN_SECONDS": "0", **environ},
        start_new_session=True,
    )
    server = RunningServer(process)
    ready = threading.Event()

    def read_log() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            server.log.append(line)
            found = _SERVING.search(line)
            if found:
                server.http_port, server.grpc_port = int(found[1]), int(found[2] or 0)
                ready.set()
        ready.set()

    reader = threading.Thread(target=read_log, daemon=True)
    reader.start()
    try:
        assert ready.wait(START_SECONDS), f"not ready in time: {server.log}"
        assert server.http_port, f"it ended: {server.log}"
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(10)
        assert process.stderr is not None
        process.stderr.close()
