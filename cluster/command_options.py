# SPDX-License-Identifier: Apache-2.0
"""The options that commands on a cluster share."""

from typing import Final

import click

CONTEXT: Final = click.option("--context", metavar="CONTEXT", help="A context of the kubeconfig; else the current one.")
NAMESPACE: Final = click.option("--namespace", default="models", show_default=True, help="The services' namespace.")
