# SPDX-License-Identifier: Apache-2.0
"""The options that say what runs a retraining, and how: those of `portside retrain` and `portside pipeline webhook`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from pipelines.command_options import notified, pairs_of

if TYPE_CHECKING:
    from pipelines.running.retraining import Trainer

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Of each option that only some runs have, by its name in ``trainer_of``: how it is written, and of which runs.
_OF_BACKENDS: Final = {
    "project": "--project",
    "region": "--region",
    "service_account": "--service-account",
    "kfp_namespace": "--kfp-namespace",
    "image": "--image",
}
_OF_THIS_MACHINE: Final = {"deploy_to": "--deploy", "work": "--work"}
_ROOT: Final = "build/registry"
_WORK: Final = Path("build/pipelines")


def trainer_options(command: _Command) -> _Command:
    """Add the options to a command; ``trainer_of`` takes what they give."""
    options = (
        click.option("--kfp", "kfp_url", metavar="URL", help="Run it on the Kubeflow Pipelines 2.x at URL."),
        click.option("--vertex", is_flag=True, help="Run it on Vertex AI; needs --project, --region, --root gs://..."),
        click.option("--project", metavar="PROJECT", help="Google Cloud's project, with --vertex."),
        click.option("--region", metavar="REGION", help="Such as europe-west4, with --vertex."),
        click.option(
            "--root",
            metavar="URI",
            help="The registry: a folder, s3://BUCKET or gs://BUCKET.  [default: on this machine PORTSIDE_REGISTRY, "
            f"else {_ROOT}; elsewhere s3://models]",
        ),
        click.option("--service-account", metavar="NAME", help="Whose rights a run elsewhere has."),
        click.option("--experiment", default="portside", show_default=True, help="Kubeflow's experiment."),
        click.option("--kfp-namespace", metavar="NAMESPACE", help="Kubeflow's profile, where there are several users."),
        click.option("--image", metavar="IMAGE", help="The pipeline image of a run elsewhere, by digest."),
        click.option(
            "--deploy",
            "deploy_to",
            type=click.Choice(["local", "kserve"]),
            help="Where a run on this machine serves what it promotes.  [default: local]",
        ),
        click.option(
            "--work",
            type=click.Path(file_okay=False, path_type=Path),
            help=f"Where a run on this machine keeps outputs, logs and its cache.  [default: {_WORK}]",
        ),
        click.option("--data", default="", metavar="URI", help="A CSV or Parquet file.  [default: its own source]"),
        click.option("--seed", default=0, show_default=True, help="Decides every split and every random choice."),
        click.option("--namespace", default="models", show_default=True, help="Of the InferenceService."),
        click.option(
            "--option", "pairs", multiple=True, metavar="NAME=VALUE", help="How to deploy, such as replicas=1:3."
        ),
        click.option(
            "--notify", default="", metavar="URL", callback=notified, help="Is told by POST how the run ended."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def trainer_of(
    *,
    pairs: tuple[str, ...],
    root: str | None,
    data: str,
    seed: int,
    namespace: str,
    notify: str,
    **words: Any,
) -> "Trainer":
    """Return what runs retrainings, as a user's choices say it.

    Args:
        pairs: How versions are deployed, each NAME=VALUE.
        root: The registry; None takes the usual one.
        data: The data; empty takes the use case's own source.
        seed: Decides every split and every random choice.
        namespace: Of the InferenceService.
        notify: A URL that is told how a run ended.
        words: The other options.

    Raises:
        PipelineError: Something is missing or contradicts the rest.
    """
    import os

    from pipelines.running.retraining import Elsewhere, Here

    parameters = {"data": data, "seed": seed, "namespace": namespace, "notify": notify, "options": pairs_of(pairs)}
    if not (words["kfp_url"] or words["vertex"]):
        _refuse(words, _OF_BACKENDS, "is for runs elsewhere: add --kfp URL or --vertex")
        place = words["deploy_to"] or "local"
        where = root or os.environ.get("PORTSIDE_REGISTRY") or _ROOT
        return Here(where, words["work"] or _WORK, {**parameters, "deploy_to": place})
    _refuse(words, _OF_THIS_MACHINE, "is for runs on this machine: leave it out, or leave out --kfp and --vertex")
    from pipelines.running.backends import Kubeflow, Vertex
    from pipelines.running.submission import backend_of

    names = ("kfp_url", "vertex", "project", "region", "service_account", "experiment", "kfp_namespace")
    backend = backend_of(root=root, **{name: words[name] for name in names})
    if not isinstance(backend, Kubeflow | Vertex):
        raise TypeError(f"{backend} is no backend of this release")
    if root is None:
        from pipelines.definition.needs import DEFAULT_ROOTS

        root = DEFAULT_ROOTS[backend.place]
    return Elsewhere(backend, root, {**parameters, "image": words["image"]})


def _refuse(words: dict[str, Any], options: dict[str, str], why: str) -> None:
    from pipelines.errors import PipelineError

    given = next((written for name, written in options.items() if words[name]), None)
    if given is not None:
        raise PipelineError(f"{given} {why}")
