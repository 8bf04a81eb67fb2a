# SPDX-License-Identifier: Apache-2.0
"""The group ``portside pipeline``: run, compile, submit, schedule, new, score, webhook. Each imports what it needs."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipelines.batch.command import score
from pipelines.command_options import find_own_modules, notified, pairs_of
from pipelines.new_module.command import new
from pipelines.running.webhook_command import webhook

if TYPE_CHECKING:
    from pipelines.running.submission import Submission

#: The options that say who runs it.
_BACKEND: Final = ("kfp_url", "vertex", "project", "region", "service_account", "experiment", "kfp_namespace")
_HOURLY: Final = "0 * * * *"
_WEEKLY: Final = "0 3 * * 1"
_MONTHLY: Final = "0 3 1 * *"
_PORT: Final = click.IntRange(0, 65535)


_USE_CASE = click.argument("use_case", metavar="USE_CASE")
_DATA = click.option(
    "--data", default="", metavar="URI", help="A CSV or Parquet file, s3:// and gs:// too.  [default: its own source]"
)
_SEED = click.option("--seed", default=0, show_default=True, help="Decides every split and every random choice.")
_BECAUSE = click.option("--because", default="", metavar="REASON", help="Why it runs, for the lineage.")
_NAMESPACE = click.option("--namespace", default="models", show_default=True, help="Of the InferenceService.")
_OPTION = click.option(
    "--option", "pairs", multiple=True, metavar="NAME=VALUE", help="How to deploy, such as replicas=1:3; repeatable."
)
_NOTIFY = click.option(
    "--notify", default="", metavar="URL", callback=notified, help="Is told by POST how the run ended."
)
_IMAGE = click.option(
    "--image",
    metavar="IMAGE",
    help="The pipeline image, by digest or HOST/NAME:TAG.  [default: PORTSIDE_PIPELINE_IMAGE]",
)
_SCORE_TO = click.option(
    "--score-to", metavar="URI", help="Score a batch with the champion instead of training, the predictions to URI."
)


@click.group()
def pipeline() -> None:
    """Train, evaluate and deploy models by Kubeflow pipelines: on this machine, on Kubeflow or on Vertex AI.

    USE_CASE is spam, maintenance, recommender, or a module of your own (see `portside pipeline new`).
    """
    find_own_modules()


@pipeline.command()
@_USE_CASE
@click.option(
    "--root",
    envvar="PORTSIDE_REGISTRY",
    default="build/registry",
    show_default=True,
    help="The registry: a folder, s3://BUCKET or gs://BUCKET.  [env: PORTSIDE_REGISTRY]",
)
@click.option(
    "--deploy",
    "deploy_to",
    type=click.Choice(["local", "kserve"]),
    default="local",
    show_default=True,
    help="Serve it on trial here, or as an InferenceService.",
)
@_DATA
@_SEED
@_BECAUSE
@_NAMESPACE
@_OPTION
@_NOTIFY
@click.option(
    "--work",
    default="build/pipelines",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where outputs, logs and the cache are kept.",
)
@click.option("--serve", "then_serve", is_flag=True, help="Then go on serving the champion, until Ctrl-C.")
@click.option("--http-port", type=_PORT, help="REST, with --serve.  [default: 8080]")
@click.option("--grpc-port", type=_PORT, help="gRPC, with --serve.  [default: 8081]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    use_case: str,
    *,
    pairs: tuple[str, ...],
    then_serve: bool,
    http_port: int | None,
    grpc_port: int | None,
    as_json: bool,
    **words: Any,
) -> None:
    """Run USE_CASE's training pipeline here and now.

    It ends with a registered version that was served and answered right, or with the reason why the present one stays.
    Exits with 1 when a step fails; nothing is half done then, and the next run goes on.
    """
    from pipelines.running.local import run_training

    if not then_serve and (http_port, grpc_port) != (None, None):
        raise click.UsageError("--http-port and --grpc-port are those of --serve: add it")

    def tell(line: str) -> None:
        click.echo(line, err=as_json)

    result = run_training(use_case, options=pairs_of(pairs), tell=tell, **words)
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps(asdict(result), indent=2))
    else:
        click.echo(f"{result.run}: {result.sentence}", err=result.state == "failed")
    if result.state == "failed":
        sys.exit(1)
    if then_serve:
        _serve(words["root"], words["work"], use_case, result.version, http_port, grpc_port)


def _serve(root: str, work: Path, use_case: str, version: str | None, *ports: int | None) -> None:
    """Become the server of a version; another process would be another thing to stop."""
    from pipelines.registry import open_registry
    from pipelines.use_cases import use_case as find_use_case

    if version is None:
        raise click.UsageError("there is nothing to serve: no version was promoted yet")
    folder = open_registry(root).fetch(find_use_case(use_case).PLAN.name, version, work / "serving")
    words = [
        f"{name}={port}" for name, port in zip(("--http-port", "--grpc-port"), ports, strict=True) if port is not None
    ]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "portside", "serve", str(folder), *words])  # noqa: S606


@pipeline.command(name="compile")
@click.argument("use_case", metavar="[USE_CASE]", required=False)
@click.option(
    "--out",
    default="pipelines/compiled",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to.",
)
@_IMAGE
def compile_command(use_case: str | None, *, out: Path, image: str | None) -> None:
    """Write the pipelines as YAML, one file for Kubeflow and one for Vertex AI: all, or those of USE_CASE.

    The same image gives the same bytes.
    """
    from pipelines.definition.compiling import compile_all, compile_one
    from pipelines.definition.image import PLACEHOLDER, pipeline_image

    reference = pipeline_image(image)
    for path in compile_all(out, reference) if use_case is None else compile_one(use_case, out, reference):
        click.echo(f"compiled {path}")
    what = "a placeholder: name yours with --image" if reference == PLACEHOLDER else reference
    click.echo(f"  image {what}")


def _backend_options(command: Any) -> Any:
    options = (
        click.option("--kfp", "kfp_url", metavar="URL", help="A Kubeflow Pipelines 2.x API."),
        click.option(
            "--vertex", is_flag=True, help="Vertex AI Pipelines; needs --project, --region and --root gs://..."
        ),
        click.option("--project", metavar="PROJECT", help="Google Cloud's project, with --vertex."),
        click.option("--region", metavar="REGION", help="Such as europe-west4, with --vertex."),
        click.option("--root", metavar="URI", help="The registry.  [default: s3://models]"),
        click.option("--service-account", metavar="NAME", help="Whose rights the run has."),
        click.option("--experiment", default="portside", show_default=True, help="Kubeflow's experiment."),
        click.option("--kfp-namespace", metavar="NAMESPACE", help="Kubeflow's profile, where there are several users."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _common_options(command: Any) -> Any:
    for option in reversed((_DATA, _SEED, _BECAUSE, _NAMESPACE, _OPTION, _NOTIFY, _IMAGE, _SCORE_TO)):
        command = option(command)
    return command


@pipeline.command()
@_USE_CASE
@_backend_options
@_common_options
@click.option("--dry-run", is_flag=True, help="Print what would be submitted, as JSON, and submit nothing.")
@click.option("--no-cache", is_flag=True, help="Run every step anew.")
def submit(use_case: str, *, dry_run: bool, no_cache: bool, **words: Any) -> None:
    """Run USE_CASE's training pipeline, or its batch scoring, on Kubeflow Pipelines or on Vertex AI."""
    submission = _submission(use_case, caching=not no_cache, **words)
    if dry_run:
        click.echo(json.dumps(submission.request(), indent=2))
        return
    click.echo(f"submitted {submission.run()}")


@pipeline.command()
@_USE_CASE
@click.option("--hourly", "cron", flag_value=_HOURLY, help="At every full hour.")
@click.option("--weekly", "cron", flag_value=_WEEKLY, help="Mondays at 3.")
@click.option("--monthly", "cron", flag_value=_MONTHLY, help="On the first of the month at 3.")
@click.option("--cron", "cron", metavar="CRON", help="Five fields: minute, hour, day, month, day of the week; UTC.")
@_backend_options
@_common_options
@click.option("--dry-run", is_flag=True, help="Print what would be scheduled, as JSON, and schedule nothing.")
def schedule(use_case: str, *, cron: str | None, dry_run: bool, **words: Any) -> None:
    """Run USE_CASE's training pipeline, or its batch scoring, again and again; a schedule that is there is replaced.

    Without a time it is the use case's own (spam weekly, maintenance monthly), and of batch scoring hourly.
    """
    submission = _submission(use_case, **words)
    when = submission.usual_cron if cron is None else cron
    if dry_run:
        click.echo(json.dumps(submission.schedule_request(when), indent=2))
        return
    click.echo(f"scheduled {submission.schedule(when)} ({when} UTC)")


def _submission(use_case: str, *, pairs: tuple[str, ...], caching: bool = True, **words: Any) -> "Submission":
    from pipelines.running.places import check_bucket
    from pipelines.running.submission import Submission, backend_of

    chosen = {name: words.pop(name) for name in _BACKEND}
    backend = backend_of(root=words["root"], **chosen)
    score_to = words.pop("score_to")
    check_bucket("--score-to", score_to)
    if score_to is not None:
        if pairs or words.pop("seed") != 0:
            raise click.UsageError("--seed and --option are of training: leave them out with --score-to")
        del words["namespace"]
        return Submission.scoring(use_case, backend, out=score_to, **words)
    return Submission.of(use_case, backend, caching=caching, options=pairs_of(pairs), **words)


pipeline.add_command(new)
pipeline.add_command(score)
pipeline.add_command(webhook)
