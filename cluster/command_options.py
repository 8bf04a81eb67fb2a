# SPDX-License-Identifier: Apache-2.0
"""The options that commands on a cluster share."""

import re
from typing import Final

import click

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _namespace(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    # Left empty, it would be all of them to Kubernetes.
    if not _LABEL.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no namespace: small letters, digits and hyphens, 63 characters at most")
    return name


CONTEXT: Final = click.option("--context", metavar="CONTEXT", help="A context of the kubeconfig; else the current one.")
NAMESPACE: Final = click.option(
    "--namespace", default="models", show_default=True, callback=_namespace, help="The services' namespace."
)
