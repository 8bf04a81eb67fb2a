# SPDX-License-Identifier: Apache-2.0
"""The commands of this part: pack, inspect, serve, predict. Each imports what it needs when it runs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from predictors.serving.ports import Ports

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_TRUST = (
    click.option(
        "--allow-pickle",
        is_flag=True,
        default=None,
        help="Load pickled models. A pickle can run any code when it is loaded: only from where you trust.",
    ),
    click.option(
        "--allow-import",
        "allow_imports",
        multiple=True,
        metavar="PACKAGE",
        help="A package besides the platform's own list that a pickle may import from; repeatable.",
    ),
)


def _trust_options(command: Any) -> Any:
    for option in reversed(_TRUST):
        command = option(command)
    return command


@click.command()
@click.argument("model", type=_FILE)
@click.option("--name", required=True, help="The model's name, as it stands in URLs.")
@click.option("--version", required=True, help="Its version, such as 1.0.0; never overwritten.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Root folder: written to OUT/NAME/VERSION.")
@click.option("--sample", type=_FILE, help="Typical rows (.csv or .parquet): signature, golden requests, reference.")
@click.option("--target", metavar="COLUMN", help="A column of the sample to leave out.")
@click.option(
    "--tensors",
    type=click.Choice(["auto", "columns", "matrix"]),
    help="One tensor for each column, or one matrix; auto takes a matrix where all are numbers.",
)
@click.option("--processing", metavar="NAME", help="An installed processing class to stand around the model.")
@click.option("--training", type=_FILE, metavar="FILE", help="The training.json that `portside train` wrote.")
@click.option("--no-onnx", is_flag=True, help="Do not try an ONNX export.")
@click.option("--sign", "signing_key", type=_FILE, metavar="PEM", help="Sign with this Ed25519 private key.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_trust_options
def pack(model: Path, *, as_json: bool, **words: Any) -> None:
    """Pack MODEL (.joblib, .pkl, .skops or .onnx), fitted and with its preprocessing in it, into an artifact."""
    import orjson

    from predictors.packing_files import pack_file

    artifact = pack_file(model, **words)
    if as_json:
        click.echo(orjson.dumps({"artifact": str(artifact.folder), "files": dict(artifact.manifest.files)}))
    else:
        click.echo(f"packed {artifact.folder}")


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--verify-key",
    type=_FILE,
    metavar="PEM",
    envvar="PREDICTOR_VERIFY_KEY",
    help="Check its signature with this Ed25519 public key.  [env: PREDICTOR_VERIFY_KEY]",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def inspect(folder: Path, *, verify_key: Path | None, as_json: bool) -> None:
    """Check the artifact in FOLDER and show its signature, metrics, lineage and scorers."""
    from predictors.artifact import open_artifact
    from predictors.description import describe, describe_json

    artifact = open_artifact(folder, verify_key=verify_key)
    click.echo(describe_json(artifact) if as_json else describe(artifact))


@click.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER)
@click.option("--name", help="The name to serve a single artifact under; its own by default.")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--http-port", type=int, help="REST.  [default: 8080]")
@click.option("--grpc-port", type=int, help="gRPC.  [default: 8081]")
@click.option("--workers", type=int, help="Processes that answer.  [default: 1]")
@click.option("--verify-key", type=_FILE, metavar="PEM", help="Serve only what this Ed25519 public key signed.")
@click.option("--send", type=_FILE, metavar="FILE", help="Once ready, send this V2 request and print the answer.")
@_trust_options
def serve(folders: tuple[Path, ...], *, name: str | None, send: Path | None, **words: Any) -> None:
    """Serve the artifacts, or plain ONNX files, in FOLDERS until Ctrl-C.

    Settings may also come from PREDICTOR_* variables.
    """
    from predictors.serving.logs import set_up_logs
    from predictors.serving.main import serve as serve_artifacts
    from predictors.serving.settings import PREFIX, Settings

    words["allow_imports"] = words["allow_imports"] or None
    # A pod's server answers whoever reaches the pod; one started by hand only this machine, unless told otherwise.
    settings = Settings.from_env({f"{PREFIX}HOST": "127.0.0.1", **os.environ}, **words)
    if settings.log_format is not None or settings.log_level != "info":
        set_up_logs(settings.log_level, settings.log_format or "text")

    def send_when_ready(ports: "Ports") -> None:
        if send is not None:
            url = f"http://{settings.host}:{ports.http_port}"
            model = name or _name_of(folders[0])
            client = [sys.executable, "-m", "portside", "predict", model, "--url", url, "--input", str(send)]
            subprocess.Popen([*client, "--wait", "120", "--show-request"])  # noqa: S603 (this very program)

    sys.exit(serve_artifacts(folders, settings, name=name, on_ports=send_when_ready))


@click.command()
@click.argument("model")
@click.option(
    "--input", "source", required=True, type=click.File("rb"), help="A V2 request as JSON; - is standard input."
)
@click.option(
    "--url",
    help="The server.  [default: http://MODEL.localhost:8080 at 127.0.0.1, where a server on this machine answers, or "
    "the gateway of a local cluster]",
)
@click.option("--version", help="Ask this version of the model.")
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait that long for the model to be ready.")
@click.option(
    "--timeout", type=float, default=30.0, show_default=True, metavar="SECONDS", help="Wait that long for an answer."
)
@click.option("--show-request", is_flag=True, help="Print the request too.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as it came.")
def predict(model: str, *, source: Any, as_json: bool, show_request: bool, **words: Any) -> None:
    """Send a V2 request to MODEL and print its answer."""
    from predictors.client import ask, pretty

    body = source.read()
    if show_request:
        click.echo(f"request\n{pretty(body)}")
    answer = ask(model, body, **words)
    if as_json:
        click.echo(answer)
    else:
        click.echo(f"answer\n{pretty(answer)}" if show_request else pretty(answer))


def _name_of(folder: Path) -> str:
    from predictors.artifact import MANIFEST, parse_manifest
    from predictors.plain_onnx import find_plain_onnx, plain_name

    plain = find_plain_onnx(folder)
    if plain is not None:
        return plain_name(plain)
    return parse_manifest((folder / MANIFEST).read_bytes(), folder / MANIFEST).name
