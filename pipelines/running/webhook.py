# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that Alertmanager tells of alerts: those that name a model have it retrained.

``POST /alerts`` takes Alertmanager's messages, ``GET /healthz`` says that the server is up, ``GET /metrics`` what came
of the messages. A run goes on in the background; the answer says whether it was started or joined.
"""

import hmac
import json
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, Literal, TypeAlias

from pipelines.running.alert_message import MessageError, read_message, wishes_of
from pipelines.running.background_runs import BackgroundRuns
from pipelines.running.retraining import Joined, Trainer, retrain
from predictors.errors import PredictorError

_log = logging.getLogger(__name__)

_LARGEST: Final = 2**20
#: Of a length; Python refuses to read thousands.
_MOST_DIGITS: Final = 18
#: How long a client may take to send its request.
_SECONDS: Final = 10.0
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; version=0.0.4"

Came: TypeAlias = Literal["started", "joined", "ignored"]


class WebhookServer(ThreadingHTTPServer):
    """The server; ``serve_forever`` serves, ``close`` ends it well.

    Attributes:
        url: Where it answers.
    """

    # Answers that are being given are waited for at the end.
    daemon_threads = False
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], models: Mapping[str, str], trainer: Trainer, token: str | None
    ) -> None:
        """Listen; nothing is answered yet.

        Args:
            address: Host and port; port 0 takes any free one.
            models: Of the models that may be retrained, the use case of each.
            trainer: What runs the retrainings.
            token: What a message must bring as bearer token; None asks for none.

        Raises:
            OSError: The address cannot be listened on.
        """
        super().__init__(address, _Handler)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{host}:{self.server_port}"
        self._models = dict(models)
        self._trainer = trainer
        self._token = token
        self._runs = BackgroundRuns(most=len(self._models))
        self._lock = threading.Lock()
        self._alerts: Counter[Came] = Counter()
        self._refused = 0

    def close(self, seconds: float) -> None:
        """Stop listening, answer what was asked, and wait for runs.

        Args:
            seconds: How long runs of this machine may take; then they are ended, and their models are free again.
        """
        self.shutdown()
        self.server_close()
        self._runs.stop(seconds)

    def is_allowed(self, authorization: str) -> bool:
        """Return whether a message with this header may be taken."""
        wanted = f"Bearer {self._token}".encode()
        return self._token is None or hmac.compare_digest(authorization.encode(), wanted)

    def take(self, content: bytes) -> dict[str, Any]:
        """Begin or join what a message asks for, and return the answer.

        Raises:
            MessageError: It is no message of Alertmanager's.
            PredictorError: A run cannot be started now; the message may come again.
        """
        wishes = wishes_of(read_message(content), self._models)
        answer: dict[Came, list[dict[str, str]]] = {"started": [], "joined": [], "ignored": []}
        for alert, reason in wishes.ignored:
            answer["ignored"].append({"alert": alert, "reason": reason})
        for model, because in wishes.because.items():
            run = retrain(self._models[model], because, self._trainer)
            told = {"model": model, "run": run.run, "because": run.because}
            if isinstance(run, Joined):
                answer["joined"].append({**told, "since": run.since.isoformat()})
                _log.info("%s: joined run %s, which runs because %s", because, run.run, run.because)
            else:
                self._runs.begin(run, model)
                answer["started"].append(told)
                _log.info("%s: started run %s of %s", because, run.run, model)
        with self._lock:
            self._alerts.update({came: len(entries) for came, entries in answer.items()})
        return {str(came): entries for came, entries in answer.items()}

    def count_refusal(self) -> None:
        """Count a message that was refused."""
        with self._lock:
            self._refused += 1

    def metrics(self) -> str:
        """Return what came of the messages, as Prometheus reads it."""
        with self._lock:
            alerts, refused = dict(self._alerts), self._refused
        kinds: tuple[Came, ...] = ("started", "joined", "ignored")
        lines = [
            "# HELP portside_webhook_requests_total What alerts have asked for, by what came of it.",
            "# TYPE portside_webhook_requests_total counter",
            *(f'portside_webhook_requests_total{{result="{came}"}} {alerts.get(came, 0)}' for came in kinds),
            "# HELP portside_webhook_refused_total Messages that were refused.",
            "# TYPE portside_webhook_refused_total counter",
            f"portside_webhook_refused_total {refused}",
            "# HELP portside_webhook_runs Runs that this server sees to now.",
            "# TYPE portside_webhook_runs gauge",
            f"portside_webhook_runs {self._runs.under_way()}",
            "# HELP portside_webhook_runs_total Runs that it has seen to, by what became of them.",
            "# TYPE portside_webhook_runs_total counter",
            *(
                f'portside_webhook_runs_total{{model="{model}",result="{end}"}} {count}'
                for (model, end), count in sorted(self._runs.ends().items())
            ),
        ]
        return "\n".join(lines) + "\n"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the base class's signature)
        """Log a request that ended by a fault; a client that went away is none."""
        _log.debug("a request of %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: WebhookServer
    timeout: ClassVar[float] = _SECONDS
    server_version = "portside"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(HTTPStatus.OK, "ok\n", _TEXT)
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.server.metrics(), _TEXT)
        elif self.path == "/alerts":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "alerts are sent by POST")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is /alerts, /healthz and /metrics")

    def do_POST(self) -> None:
        if self.path != "/alerts":
            self._refuse(HTTPStatus.NOT_FOUND, "messages go to /alerts")
            return
        if not self.server.is_allowed(self.headers.get("Authorization", "")):
            self._refuse(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or another one")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the message's Content-Length is missing")
        elif len(length) > _MOST_DIGITS or int(length) > _LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a message has {_LARGEST} bytes at most")
        else:
            self._take(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's signature)
        _log.debug(format, *args)

    def _take(self, content: bytes) -> None:
        try:
            answer = self.server.take(content)
        except MessageError as err:
            self._refuse(HTTPStatus.BAD_REQUEST, str(err))
        except PredictorError as err:
            _log.error("%s", err)
            # Alertmanager sends a message again for a 5xx.
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(err))
        except Exception:  # the request's edge: what went wrong is for the log alone
            _log.exception("a message met a fault")
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the message met a fault; the log has it")
        else:
            self._answer(HTTPStatus.OK, json.dumps(answer), _JSON)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.server.count_refusal()
        self._answer(status, json.dumps({"error": sentence}), _JSON)

    def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
