# SPDX-License-Identifier: Apache-2.0
"""Wrong use of deploy, status, logs and undeploy: one sentence and exit code 2, before anything is changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = ("deploy", "iris", "--artifact")
GOOD = "s3://models/iris/1.0.0"

WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no artifact": (("deploy", "iris"), "--artifact"),
    "a folder of this machine": ((*DEPLOY, "{folder}"), "`portside publish FOLDER s3://BUCKET`"),
    "a file URI": ((*DEPLOY, "file://{folder}"), "is on this machine"),
    "no URI": ((*DEPLOY, "models/iris"), "models/iris is not a URI"),
    "another scheme": ((*DEPLOY, "ftp://host/iris"), "KServe reads no ftp://"),
    "a store without a folder": ((*DEPLOY, "s3://"), "names no artifact"),
    "a bad name": (("deploy", "Iris_1", "--artifact", GOOD), "must be a DNS label"),
    "a long name": (("deploy", "i" * 49, "--artifact", GOOD), "48 characters at most"),
    "replicas that are none": ((*DEPLOY, GOOD, "--replicas", "0"), "MIN:MAX"),
    "fewer replicas at most than at least": ((*DEPLOY, GOOD, "--replicas", "3:1"), "MIN:MAX"),
    "a bad quantity": ((*DEPLOY, GOOD, "--memory", "lots"), "not a Kubernetes quantity"),
    "a bad domain": ((*DEPLOY, GOOD, "--domain", "a b"), "not a domain"),
    "no kubeconfig to deploy with": ((*DEPLOY, GOOD), "set KUBECONFIG"),
    "no kubeconfig for status": (("status",), "set KUBECONFIG"),
    "no kubeconfig for logs": (("logs", "iris"), "set KUBECONFIG"),
    "no kubeconfig for undeploy": (("undeploy", "iris"), "set KUBECONFIG"),
}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_wrong_use_ends_with_exit_code_2_and_a_sentence(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portside", *(word.format(folder=tmp_path) for word in words)]
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert told in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["deploy", "status", "logs", "undeploy"])
def test_every_command_explains_itself_without_importing_the_kubernetes_client(command: str) -> None:
    code = f"import sys, portside\ntry: portside.cli(['{command}', '--help'])\nexcept SystemExit: print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in ended.stdout
    assert "kubernetes" not in ended.stdout.split()
