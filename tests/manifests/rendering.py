# SPDX-License-Identifier: Apache-2.0
"""Manifests as they are applied: rendered by kustomize, each object a dictionary."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMES = ("maintenance", "recommender", "spam")
PLACES = ("kind", "staging", "production")

#: For modules whose tests render; everything else about manifests is read as plain YAML.
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, which renders, is not on PATH")


def render(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that a kustomization renders; AssertionError with kustomize's complaint when it does not."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{folder}: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def one(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    found = [document for document in documents if document["kind"] == kind]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]
