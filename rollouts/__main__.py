# SPDX-License-Identifier: Apache-2.0
"""``python -m rollouts``: the controller. Settings are variables, ``ROLLOUTS_*``."""

import os
import sys

from cluster.errors import ClusterError
from rollouts.controller.controller import run


def main() -> None:
    """Run it; what an operator can mend ends with one sentence and exit code 2."""
    try:
        run(os.environ)
    except ClusterError as err:
        print(f"rollouts: {err}", file=sys.stderr)  # noqa: T201 (the last line of its log)
        sys.exit(2)


if __name__ == "__main__":
    main()
