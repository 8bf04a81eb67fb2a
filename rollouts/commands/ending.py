# SPDX-License-Identifier: Apache-2.0
"""How a command that follows a rollout shows it, and the exit code that it ends with."""

import json
import logging
import sys
from collections.abc import Collection
from typing import NoReturn

import click

from cluster.api import Cluster
from rollouts.client.following import follow
from rollouts.client.report import Report
from rollouts.phases import ENDED, Phase

_LOG = logging.getLogger(__name__)


def watched(cluster: Cluster, namespace: str, name: str, told: str = "", *, until: Collection[Phase] = ENDED) -> Report:
    """Follow a rollout to its end, say its news on standard error, and return its last report."""
    if told:
        _LOG.info("%s", told)
    try:
        return follow(cluster, namespace, name, lambda line: _LOG.info("  %s", line), until=until)
    except KeyboardInterrupt:
        click.echo(f"portside: rollout {name} goes on; `portside rollout status {name} --watch` follows it", err=True)
        sys.exit(130)


def end_with(report: Report, *, as_json: bool, success: Phase = Phase.PROMOTED) -> NoReturn:
    """Say how a rollout has ended, and end the process: exit code 0 where that is success, else 1."""
    succeeded = report.phase is success
    if as_json:
        click.echo(json.dumps(report.as_document()))
    else:
        line = f"{report.rollout} is {report.phase}: {report.verdict}"
        click.echo(line if succeeded else f"portside: {line}", err=not succeeded)
    sys.exit(0 if succeeded else 1)
