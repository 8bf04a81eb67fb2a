# SPDX-License-Identifier: Apache-2.0
"""The digests that say whether a run is the same run again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
from pipelines.lineage import code_commit, code_digest, fingerprint

ROOT = Path(pipelines.__file__).parent.parent


def test_the_code_has_the_same_digest_where_it_is_installed(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("pipelines", "predictors", "reports"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    installed = elsewhere(tmp_path)
    assert installed == elsewhere(ROOT) == code_digest()
    (tmp_path / "pipelines" / "lineage.pyc").write_bytes(b"none of it")
    assert elsewhere(tmp_path) == installed
    with (tmp_path / "predictors" / "errors.py").open("a") as file:
        file.write("\n")
    assert elsewhere(tmp_path) != installed


def test_a_module_of_ones_own_counts_with_all_of_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "digested_alone.py").write_text("A = 1\n")
    (tmp_path / "digested_package").mkdir()
    (tmp_path / "digested_package" / "__init__.py").write_text("")
    (tmp_path / "digested_package" / "churn.py").write_text("A = 1\n")
    alone, packaged = code_digest("digested_alone"), code_digest("digested_package.churn")
    assert len({code_digest(), alone, packaged}) == 3
    assert code_digest("spam") == code_digest()
    (tmp_path / "digested_alone.py").write_text("A = 2\n")
    (tmp_path / "digested_package" / "features.py").write_text("B = 1\n")
    assert code_digest("digested_alone") != alone
    assert code_digest("digested_package.churn") != packaged
    assert "digested_package" not in sys.modules


def test_a_fingerprint_follows_from_all_that_decides_a_run() -> None:
    others = [("spam", "sha256:a", 1, "c"), ("ham", "sha256:a", 0, "c"), ("spam", "sha256:b", 0, "c")]
    found = {fingerprint(*words) for words in [("spam", "sha256:a", 0, "c"), ("spam", "sha256:a", 0, "d"), *others]}
    assert len(found) == 5
    assert fingerprint("spam", "sha256:a", 0, "c") in found


def test_an_image_says_its_commit_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTSIDE_COMMIT", "0123abc")
    assert code_commit() == "0123abc"


def elsewhere(folder: Path) -> str:
    """Return what the code in a folder says of itself."""
    words = [sys.executable, "-c", "from pipelines.lineage import code_digest; print(code_digest())"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
