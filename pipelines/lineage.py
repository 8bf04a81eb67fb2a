# SPDX-License-Identifier: Apache-2.0
"""Where a training run comes from: its code, its data, and the digest that says whether it is the same run again."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.use_cases import NAMES

if TYPE_CHECKING:
    import pandas as pd

_HERE: Final = Path(__file__).resolve().parent
_PACKAGES: Final = ("pipelines", "predictors", "reports")
_SOURCES: Final = (".py", ".css", ".jinja")


def code_commit() -> str | None:
    """Return the commit that this code is of: what ``PORTSIDE_COMMIT`` says, else that of the checkout; None outside.

    An image has no checkout, so it is built with the variable. Changes that are not committed are told by ``-dirty``.
    """
    told = os.environ.get("PORTSIDE_COMMIT", "").strip()
    git = shutil.which("git")
    if told or git is None:
        return told or None
    described = subprocess.run(  # noqa: S603 (fixed words)
        [git, "-C", str(_HERE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None if described.returncode == 0 else None


def code_digest(use_case: str = "") -> str:
    """Return the hexadecimal SHA-256 of the code that trains: the same in a checkout and where it is installed.

    It is over the relative path and the content of every source file of the packages ``pipelines``, ``predictors`` and
    ``reports``.

    Args:
        use_case: Where it is a module of one's own, its file counts too, or all of the package that it is in.
    """
    digest = hashlib.sha256()
    for path, file in sorted(_code_files(use_case)):
        content = file.read_bytes()
        digest.update(f"{path}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def rows_digest(rows: "pd.DataFrame") -> str:
    """Return ``sha256:`` and the digest of rows written as CSV, without their index and with the line ends of Unix."""
    content = rows.to_csv(index=False, lineterminator="\n").encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def fingerprint(model: str, data_digest: str, seed: int, code: str) -> str:
    """Return ``sha256:`` and the digest of all that a run's result follows from.

    Args:
        model: The model's name.
        data_digest: Of its data.
        seed: Of its splits and its random choices.
        code: Digest of the code, of ``code_digest``.
    """
    content = json.dumps([model, data_digest, seed, code]).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _code_files(use_case: str) -> Iterator[tuple[str, Path]]:
    for package in _PACKAGES:
        yield from _sources_in(_HERE.parent / package, package)
    top = use_case.partition(".")[0]
    spec = None if not top or top in _PACKAGES or use_case in NAMES else find_spec(top)
    if spec is None:
        return
    for folder in spec.submodule_search_locations or []:
        yield from _sources_in(Path(folder), top)
    if not spec.submodule_search_locations and spec.origin is not None:
        yield Path(spec.origin).name, Path(spec.origin)


def _sources_in(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        if file.suffix in _SOURCES and file.is_file():
            yield f"{name}/{file.relative_to(folder).as_posix()}", file
