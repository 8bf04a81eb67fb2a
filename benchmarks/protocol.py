# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m benchmarks.protocol``: prints what Portside and stock KServe say to each protocol case.

Both serve the same fitted models on 127.0.0.1. KServe is asked for those with one input tensor alone: more would need
code of the model's author, and the table would tell of that.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click
import joblib

from benchmarks.errors import BenchmarkError
from benchmarks.report import table
from tests.predictors.protocol_cases import CASES, INFERENCE, MAX_BODY_BYTES, SECTIONS, Case
from tests.predictors.protocol_client import Answer, Connection, fault, look_up, nulls
from tests.predictors.protocol_models import fit_models, pack_models
from tests.predictors.servers import serving

_PEER_MODELS: Final = ("linear", "forest", "slow", "text")
_START_SECONDS: Final = 180
_STOP_SECONDS: Final = 20
_LONGEST_REMARK: Final = 70
_REFUSED: Final = 400
_OK: Final = 200


def main() -> None:
    """Start both servers, ask both, and print the tables in Markdown."""
    with tempfile.TemporaryDirectory(prefix="portside-protocol-") as temporary:
        folder = Path(temporary)
        click.echo("protocol: fitting and packing the models", err=True)
        folders = pack_models(folder)
        click.echo("protocol: asking Portside", err=True)
        with serving(
            *folders.values(), PREDICTOR_MAX_BODY_BYTES=str(MAX_BODY_BYTES), PREDICTOR_ENABLE_GRPC="false"
        ) as portside:
            ours = _ask(portside.http_port, CASES)
        click.echo("protocol: asking KServe", err=True)
        with _stock_kserve(folder) as port:
            theirs = _ask(port, filter(_is_for_peer, CASES))
    wrong = [case.about for case, answer in ours.items() if answer is None or fault(case, answer)]
    click.echo(_tables(ours, theirs))
    if wrong:
        raise BenchmarkError(f"Portside answers otherwise than the cases say: {', '.join(wrong)}")


def _is_for_peer(case: Case) -> bool:
    return not any(f"/{model}/" in case.path for model in ("maintenance", "recommender"))


def _ask(port: int, cases: Iterable[Case]) -> Mapping[Case, Answer | None]:
    """Return the answers; None where the connection ended without one, or nothing came in time."""
    # A server that unloads the model when asked is asked last.
    answers: dict[Case, Answer | None] = {}
    for case in sorted(cases, key=lambda case: case.path.endswith("/unload")):
        try:
            with Connection(port) as connection:
                answers[case] = connection.ask(case)
        except OSError:
            answers[case] = None
    return answers


def _tables(ours: Mapping[Case, Answer | None], theirs: Mapping[Case, Answer | None]) -> str:
    peer = f"KServe {version('kserve')}"
    head = ["request", "Portside", "it says", peer, "it says"]
    parts = []
    for title, cases in SECTIONS.items():
        rows = [[case.about, *_cells(case, ours), *_cells(case, theirs)] for case in cases]
        parts.append(f"### {title}\n\n{table(head, rows)}")
    answered = [answer for case, answer in theirs.items() if case in INFERENCE and answer and answer.status == _OK]
    told = sorted({place for answer in answered for place in nulls(answer) if "." not in place})
    parts.append(f"Of the {len(answered)} answers to inference {peer} wrote null for: {', '.join(told) or 'nothing'}.")
    return "\n\n".join(parts)


def _cells(case: Case, answers: Mapping[Case, Answer | None]) -> tuple[str, str]:
    """Return the status of an answer, and what it says: a refusal's sentence, or what is wrong with an answer."""
    if case not in answers:
        return "", "not asked: several inputs"
    answer = answers[case]
    if answer is None:
        return "none", "the connection ended"
    told = _sentence(answer) if answer.status >= _REFUSED else fault(case, answer)
    if told.startswith("status"):
        told = "answered" if answer.status == _OK else "a redirection"
    told = " ".join(told.split()).replace("|", "\\|")
    return str(answer.status), told if len(told) <= _LONGEST_REMARK else f"{told[:_LONGEST_REMARK]}..."


def _sentence(answer: Answer) -> str:
    """Return what a refusal says, in whatever form it comes."""
    for place in ("error", "detail.0.msg", "detail"):
        found = look_up(answer.document, place)
        if found is not ...:
            return str(found)
    return answer.body.decode(errors="replace") or "an empty body"


@contextmanager
def _stock_kserve(folder: Path) -> Iterator[int]:
    """Serve the models with stock KServe until the block ends; gives its port."""
    files = {name: folder / f"{name}.joblib" for name in _PEER_MODELS}
    for name, fitted in fit_models().items():
        if name in files:
            joblib.dump(fitted.estimator, files[name])
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as grpc:
        ports = [http.getsockname()[1], grpc.getsockname()[1]]
    words = [sys.executable, "-m", "benchmarks.protocol_stock", f"--http_port={ports[0]}", f"--grpc_port={ports[1]}"]
    with (folder / "kserve.txt").open("w") as log:
        process = subprocess.Popen(
            [*words, *(f"{name}={file}" for name, file in files.items())],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, ports[0])
        yield ports[0]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Its children share its session, and nobody else's processes are in it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    live = Case("live", "/v2/health/live", method="GET")
    while time.monotonic() < deadline and process.poll() is None:
        answer = _ask(port, [live])[live]
        if answer is not None and answer.status == _OK:
            return
        time.sleep(0.2)
    raise BenchmarkError("KServe does not answer")


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as err:
        click.echo(f"protocol: {err}", err=True)
        sys.exit(1)
