# SPDX-License-Identifier: Apache-2.0
"""``/healthz`` and ``/metrics`` of the controller, on one port."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cluster.errors import ClusterError

_log = logging.getLogger(__name__)

_TEXT: Final = "text/plain; charset=utf-8"


class HealthServer(ThreadingHTTPServer):
    """Answers while it is open.

    Attributes:
        url: Where it answers.
    """

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        problem: Callable[[], str | None],
        state: Callable[[], str],
        registry: CollectorRegistry,
    ) -> None:
        """Listen and answer from now on.

        Args:
            address: Host and port to listen on; port 0 takes any free one.
            problem: Says what is wrong, in one sentence, or None where nothing is.
            state: Says what the controller does, in a few words.
            registry: Its metrics.

        Raises:
            ClusterError: The address cannot be listened on.
        """
        try:
            super().__init__(address, _Handler)
        except OSError as err:
            raise ClusterError(f"{address[0]}:{address[1]} cannot be listened on: {err.strerror}") from err
        self.url = f"http://{address[0]}:{self.server_port}"
        self.problem, self.state, self.registry = problem, state, registry
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="health")
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the base class's signature)
        """Log a request that ended by a fault; a client that went away is none."""
        _log.debug("a request of %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout: ClassVar[float] = 10.0
    server_version = "portside"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/healthz":
            problem = self.server.problem()
            if problem is not None:
                _log.warning("not well: %s", problem)
            status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, f"{problem or self.server.state()}\n".encode(), _TEXT)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there is /healthz and /metrics\n", _TEXT)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's signature)
        _log.debug(format, *args)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
