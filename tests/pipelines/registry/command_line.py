# SPDX-License-Identifier: Apache-2.0
"""The command line, run in this process where nothing has to be killed: Python starts once for all tests."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

import portside


class Ended(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: object) -> Ended:
    """Run a command with nobody at the keyboard."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["portside", *map(str, words)])
        patch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            portside.main()
    code = ended.value.code
    assert isinstance(code, int)
    return Ended(code, out.getvalue(), err.getvalue())


def output(*words: object) -> str:
    """Return what a command prints that must end well."""
    ended = run(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refused(*words: object) -> str:
    """Return the sentence of a command that must fail."""
    ended = run(*words)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr.rstrip("\n")
