# SPDX-License-Identifier: Apache-2.0
"""Waiting until a moment of the monotonic clock, to some hundredths of a millisecond, while other greenlets run.

gevent's own timers end at the next whole millisecond, as epoll's do: a fixed load would be 0.6 ms late in the median.
Linux's timerfd becomes readable at the very moment, and a file that is readable wakes gevent at once.
"""

import ctypes
import os
import time
from contextlib import suppress
from typing import Final, Protocol

import gevent
from gevent.event import Event

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_READABLE: Final = 1


class Timer(Protocol):
    """What waits; for one greenlet at a time."""

    def wait_until(self, due_ns: int) -> None:
        """Return at that moment of ``time.monotonic_ns()``, or earlier when disturbed."""

    def disturb(self) -> None:
        """Let the greenlet that waits go on now."""

    def close(self) -> None:
        """Give back what the timer holds."""


def make_timer() -> Timer:
    """Return the most exact timer that this system has."""
    libc = ctypes.CDLL(None, use_errno=True)
    return _FileTimer(libc) if hasattr(libc, "timerfd_create") else _LoopTimer()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Expiry(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _FileTimer:
    def __init__(self, libc: ctypes.CDLL) -> None:
        self._set = libc.timerfd_settime
        self._file: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "no timer could be made")
        self._watcher = gevent.get_hub().loop.io(self._file, _READABLE)
        self._expiry = _Expiry()

    def wait_until(self, due_ns: int) -> None:
        self._arm(due_ns)
        gevent.get_hub().wait(self._watcher)
        with suppress(BlockingIOError):  # armed anew between its end and now
            os.read(self._file, 8)

    def disturb(self) -> None:
        self._arm(time.monotonic_ns())

    def close(self) -> None:
        self._watcher.close()
        os.close(self._file)

    def _arm(self, due_ns: int) -> None:
        self._expiry.value.seconds, self._expiry.value.nanoseconds = divmod(max(due_ns, 1), 10**9)
        self._set(self._file, _ABSOLUTE, ctypes.byref(self._expiry), None)


class _LoopTimer:
    """Where there is no timerfd: late by a millisecond at most."""

    def __init__(self) -> None:
        self._disturbed = Event()

    def wait_until(self, due_ns: int) -> None:
        self._disturbed.wait(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        self._disturbed.clear()

    def disturb(self) -> None:
        self._disturbed.set()

    def close(self) -> None:
        pass
