# SPDX-License-Identifier: Apache-2.0
"""Where a training run's code comes from."""

import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def code_commit() -> str | None:
    """Return the commit of the checkout that this code stands in; None outside of one.

    Changes that are not committed are told by ``-dirty`` behind it.
    """
    git = shutil.which("git")
    if git is None:
        return None
    described = subprocess.run(  # noqa: S603 (fixed words)
        [git, "-C", str(_HERE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None if described.returncode == 0 else None
