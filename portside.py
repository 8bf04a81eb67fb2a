# SPDX-License-Identifier: Apache-2.0
"""The command line's root: it knows where each command lives, and imports that part only when the command is called."""

import logging
import sys
import traceback
from importlib import import_module
from typing import Final

import click

from predictors.errors import PredictorError

#: Of each command: the module and attribute that define it, and its line in the list of commands.
_COMMANDS: Final = {
    "deploy": ("cluster.services.commands", "deploy", "Serve an artifact on a cluster, or bring a new version in."),
    "doctor": ("cluster.platform.commands", "doctor", "Look a cluster over and say what to do."),
    "inspect": ("predictors.commands", "inspect", "Show what an artifact holds and which scorer serves it."),
    "install": ("cluster.platform.commands", "install", "Install the platform on a cluster."),
    "loadtest": ("loadtests.commands", "loadtest", "Load a server on time and say whether it holds its SLO."),
    "logs": ("cluster.services.commands", "logs", "Print what a service's pods have logged."),
    "models": ("pipelines.model_commands", "models", "List, show, tag and delete versions."),
    "pack": ("predictors.commands", "pack", "Pack a fitted model into a verified artifact."),
    "pipeline": ("pipelines.pipeline_commands", "pipeline", "Train, evaluate and deploy by Kubeflow pipelines."),
    "predict": ("predictors.commands", "predict", "Send a V2 request to a server and print its answer."),
    "publish": ("pipelines.model_commands", "publish", "Publish an artifact; never over a version."),
    "retrain": ("pipelines.retrain_commands", "retrain", "Train again because something happened."),
    "rollback": ("rollouts.commands.rollback", "rollback", "Go back to an earlier version at once."),
    "rollout": ("rollouts.commands.rollout", "rollout", "Bring a version in as long as it is no worse."),
    "serve": ("predictors.commands", "serve", "Serve artifacts over REST and gRPC."),
    "status": ("cluster.services.commands", "status", "Show how services fare, and why one is not ready."),
    "train": ("pipelines.commands", "train", "Train and evaluate one of the use cases on its real data."),
    "undeploy": ("cluster.services.commands", "undeploy", "Take a service away; its artifact stays."),
}

#: BSD's EX_SOFTWARE.
_FAULT_OF_OURS: Final = 70


class _Parts(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (likewise)
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        part = module.partition(".")[0]
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as err:
            if err.name != part:
                raise
            raise click.UsageError(f"{cmd_name} is not in this installation: it has no {part}") from err
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (likewise)
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in sorted(_COMMANDS)])


@click.group(cls=_Parts, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="portside")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result.")
def cli(*, quiet: bool) -> None:
    """Take a trained scikit-learn model to production on Kubernetes, on top of KServe.

    Shell completion: eval "$(_PORTSIDE_COMPLETE=bash_source portside)", likewise zsh_source and fish_source.
    """
    logging.basicConfig(level=logging.WARNING, format="portside: %(message)s", stream=sys.stderr)
    for part in ("cluster", "loadtests", "pipelines", "predictors", "rollouts"):
        logging.getLogger(part).setLevel(logging.WARNING if quiet else logging.INFO)


def main() -> None:
    """Run the command line; what a caller can mend ends with one sentence and exit code 2."""
    try:
        cli(prog_name="portside")
    except _mendable() as err:
        click.echo(f"portside: {err}", err=True)
        sys.exit(2)
    except Exception:  # the process's edge: a fault of ours must not look like an answer, as Python's exit code 1 would
        traceback.print_exc()
        sys.exit(_FAULT_OF_OURS)


def _mendable() -> tuple[type[Exception], ...]:
    """Return what callers can mend; asked once it was raised, so that a part that is not installed is not imported."""
    parts = {"cluster.errors": "ClusterError", "loadtests.errors": "LoadTestError"}
    imported = {sys.modules[module]: name for module, name in parts.items() if module in sys.modules}
    return (PredictorError, *(getattr(module, name) for module, name in imported.items()))


if __name__ == "__main__":
    main()
