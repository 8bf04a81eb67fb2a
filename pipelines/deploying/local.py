# SPDX-License-Identifier: Apache-2.0
"""Serving a published version on trial on this machine, by the server that pods run, on free ports of its own."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from pipelines.deploying.answers import wrong_answer
from pipelines.errors import StepError
from pipelines.registry import Registry
from predictors.artifact import Artifact

_START_SECONDS: Final = 120.0
_ANSWER_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0
_SERVING: Final = re.compile(r"serving .* on (http://127\.0\.0\.1:\d+)")
#: The server must not outlive a step that is killed: on Linux the kernel ends it then (prctl's PR_SET_PDEATHSIG, 1).
_TIED: Final = """\
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class LocalPlace:
    """This machine; a version is served for as long as it is asked its golden requests.

    Args:
        registry: Where versions live.
        imports: What a pickled model may import, besides the platform's list: a run trusts what it has trained.
    """

    def __init__(self, registry: Registry, imports: Sequence[str] = ()) -> None:
        self._registry = registry
        self._imports = imports

    def is_serving(self, artifact: Artifact, address: str) -> bool:  # noqa: ARG002 (the place's interface)
        """Return True: a version that has passed its trial is served by whoever wants it."""
        return True

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:  # noqa: ARG002 (likewise)
        """Serve what the registry holds, ask it every golden request, and stop it; see ``Place``."""
        name, version = artifact.manifest.name, artifact.manifest.version
        with tempfile.TemporaryDirectory(prefix="portside-trial-") as temporary:
            folder = self._registry.fetch(name, version, Path(temporary))
            with _serving(folder, *self._trust(artifact)) as url:
                wrong = wrong_answer(artifact, _sender(f"{url}/v2/models/{quote(name, safe='')}/infer"))
        if wrong is not None:
            raise StepError(f"{name} {version}, served on trial here, is not what was packed: {wrong}")
        return "on trial here"

    def _trust(self, artifact: Artifact) -> list[str]:
        estimator = artifact.manifest.estimator
        if estimator is None or not estimator.file.endswith(".joblib"):
            return []
        return ["--allow-pickle", *(f"--allow-import={package}" for package in self._imports)]


@contextmanager
def _serving(folder: Path, *options: str) -> Iterator[str]:
    """Serve an artifact while the block lasts; yields the server's address."""
    words = ["-m", "portside", "serve", str(folder), "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0"]
    words += options
    environ = {"PREDICTOR_DRAIN_SECONDS": "0", "PREDICTOR_LOG_LEVEL": "info", "PREDICTOR_LOG_FORMAT": "text"}
    with subprocess.Popen(  # noqa: S603 (this very program)
        [sys.executable, "-c", _TIED, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    ) as process:
        log = _Log(process)
        try:
            yield log.address()
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


class _Log:
    """Reads what a server logs, so that it never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._lines: list[str] = []
        self._url = ""
        self._known = threading.Event()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def address(self) -> str:
        """Return where the server answers, once it does."""
        in_time = self._known.wait(_START_SECONDS)
        if self._url:
            return self._url
        last = self._lines[-1] if self._lines else "it said nothing"
        raise StepError(
            f"the trial server ended before it served: {last}"
            if in_time
            else f"the trial server does not serve after {_START_SECONDS:g} s: {last}"
        )

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stderr or ():
            self._lines.append(line.strip().removeprefix("portside: "))
            found = _SERVING.search(line)
            if found is not None:
                self._url = found[1]
                self._known.set()
        self._known.set()


def _sender(url: str) -> Callable[[bytes], tuple[int, bytes]]:
    # No proxy would find this machine by its loopback address.
    opener = build_opener(ProxyHandler({}))

    def send(body: bytes) -> tuple[int, bytes]:
        request = Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 (http only)
        try:
            with opener.open(request, timeout=_ANSWER_SECONDS) as response:
                return HTTPStatus.OK, response.read()
        except HTTPError as err:
            return err.code, err.read()
        except (OSError, HTTPException) as err:
            raise StepError(f"the trial server does not answer: {getattr(err, 'reason', err)}") from err

    return send
