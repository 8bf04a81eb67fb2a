# SPDX-License-Identifier: Apache-2.0
"""Commands of rollouts explain themselves at once, and say what is missing where there is no cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    *(("rollout", word) for word in ("start", "status", "pause", "resume", "promote", "abort")),
    ("rollout",),
    ("rollback",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    code = f"import sys, portside\ntry: portside.cli([*{words}, '--help'])\nexcept SystemExit: print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in ended.stdout
    assert {"kubernetes", "kopf", "numpy", "yaml"} & {*ended.stdout.split()} == set()


@pytest.mark.parametrize(
    "words", [("rollout", "start", "spam", "--to", "1.1.0"), ("rollout", "status"), ("rollback", "spam")], ids=" ".join
)
def test_without_a_kubeconfig_there_is_no_cluster(words: tuple[str, ...], tmp_path: Path) -> None:
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    command = [sys.executable, "-m", "portside", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "set KUBECONFIG" in ended.stderr
    assert "Traceback" not in ended.stderr
