# SPDX-License-Identifier: Apache-2.0
"""Prediction logs of JSON lines: appended to a file, or written to standard output."""

import fcntl
import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from predictors.errors import SettingsError
from predictors.serving.prediction_log.record import line_of
from predictors.serving.prediction_log.sink import Sink, SinkError, reason_of

_STDOUT: Final = 1


def stdout_sink() -> Callable[[], Sink]:
    """Return what makes a process's sink for standard output; SettingsError when there is none."""
    try:
        os.fstat(_STDOUT)
    except OSError as err:
        raise SettingsError('the prediction log goes to "-", but there is no standard output') from err
    return _StdoutSink


def file_sink(target: str) -> Callable[[], Sink]:
    """Return what makes a process's sink for a file; the file is made at once.

    Raises:
        SettingsError: The path's folder does not exist, or the file cannot be written.
    """
    path = Path(target).absolute()  # the process may change its folder later
    try:
        # Only opening it tells whether it can be written; a pipe that nobody reads must not hold the start.
        os.close(_open(path, os.O_NONBLOCK))
    except FileNotFoundError as err:
        raise SettingsError(f"the prediction log's folder does not exist: {path.resolve().parent}") from err
    except (OSError, ValueError) as err:
        raise SettingsError(f"the prediction log cannot be written to {path}: {reason_of(err)}") from err
    return partial(_FileSink, path)


def _open(path: Path, flags: int = 0) -> int:
    # Predictions may be confidential: nothing for others.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | flags, 0o640)


class _FileSink:
    """Appends lines to a file, which it opens again when it was rotated away."""

    linger = 0.05
    encode = staticmethod(line_of)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def write(self, records: Sequence[bytes]) -> None:
        try:
            file = self._current()
        except OSError as err:
            raise SinkError(f"{self._path}: {reason_of(err)}") from err
        # Each process has opened the file itself, and flock() keeps those that did apart.
        _append(file, b"".join(records), str(self._path), lock=fcntl.flock, may_cut=True)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _current(self) -> int:
        if self._file is not None and not self._is_in_place(self._file):
            self.close()
        if self._file is None:
            self._file = _open(self._path)
        return self._file

    def _is_in_place(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


class _StdoutSink:
    """Writes lines to standard output."""

    linger = 0.05
    encode = staticmethod(line_of)

    def write(self, records: Sequence[bytes]) -> None:
        # Workers share what was opened as standard output, and lockf() keeps processes apart. A pipe needs that: a line
        # longer than PIPE_BUF may else have another worker's in its midst.
        _append(_STDOUT, b"".join(records), "standard output", lock=fcntl.lockf, may_cut=False)

    def close(self) -> None:
        pass  # not opened here


def _append(file: int, lines: bytes, name: str, *, lock: Callable[[int, int], None], may_cut: bool) -> None:
    """Append whole lines, in one write where the system takes them so.

    Args:
        file: The descriptor, opened to append.
        lines: Lines that end with a newline.
        name: What to call the file in an error.
        lock: Keeps other writers away meanwhile.
        may_cut: Whether the part of a line that found room may be taken off again.
    """
    done = 0
    with _locked(file, lock) as alone:
        try:
            while done < len(lines):
                done += _write_some(file, memoryview(lines)[done:])
        except OSError as err:
            whole = lines.rfind(b"\n", 0, done) + 1
            if may_cut and alone and whole < done:
                with suppress(OSError):
                    os.ftruncate(file, os.fstat(file).st_size - (done - whole))
            raise SinkError(f"{name}: {reason_of(err)}", delivered=lines.count(b"\n", 0, whole)) from err


def _write_some(file: int, data: memoryview) -> int:
    try:
        return os.write(file, data)
    except BlockingIOError:
        # Another program that shares the terminal or pipe has made it non-blocking.
        ready = select.poll()
        ready.register(file, select.POLLOUT)
        ready.poll()
        return 0


@contextmanager
def _locked(file: int, lock: Callable[[int, int], None]) -> Iterator[bool]:
    """Hold the lock; gives whether it is held, for some file systems have none. One write is whole there too."""
    try:
        lock(file, fcntl.LOCK_EX)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            lock(file, fcntl.LOCK_UN)
