# SPDX-License-Identifier: Apache-2.0
"""What Locust's environment holds once Locust has started, for code that runs after that."""

from argparse import Namespace

from locust.env import Environment
from locust.runners import Runner


def runner_of(environment: Environment) -> Runner:
    """Return the runner.

    Raises:
        RuntimeError: Locust has not started.
    """
    if environment.runner is None:
        raise RuntimeError("Locust has not made its runner yet")
    return environment.runner


def parsed_options(environment: Environment) -> Namespace:
    """Return Locust's options; none of them where Locust is used as a library."""
    return environment.parsed_options or Namespace(tags=None, skip_log_setup=False)
