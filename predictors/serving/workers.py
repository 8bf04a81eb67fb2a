# SPDX-License-Identifier: Apache-2.0
"""Several processes that answer: forked once the models are loaded, so that they share the models' memory."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Final

_log = logging.getLogger(__name__)

_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
#: A worker that ends sooner than this many seconds after its start failed to start.
_YOUNG: Final = 5.0
_MOST_FAILED_STARTS: Final = 5


def supervise(count: int, work: Callable[[int, int], int]) -> int:
    """Keep that many workers running until a signal asks to stop, and return the exit code.

    A worker that ends by itself is replaced. SIGTERM and SIGINT are passed on, and then every worker's end is waited
    for.

    Args:
        count: How many workers.
        work: What a worker does: it gets its number, from 0 on, which its successor will have too, and a file
            descriptor that becomes readable when this process is gone; it returns the worker's exit code.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    alive, _held_open = os.pipe()
    started = {_fork(work, number, alive, _held_open): (number, time.monotonic()) for number in range(count)}
    stopping = False
    failed_starts = 0
    while started:
        came = signal.sigwaitinfo(_SIGNALS).si_signo
        if came != signal.SIGCHLD:
            stopping = True
            for pid in started:
                os.kill(pid, came)
            continue
        for pid, code in _ended(started):
            number, begin = started.pop(pid)
            age = time.monotonic() - begin
            if stopping:
                continue
            failed_starts = failed_starts + 1 if age < _YOUNG else 0
            if failed_starts > _MOST_FAILED_STARTS:
                _log.error("workers keep ending within %g s of their start; giving up", _YOUNG)
                stopping = True
                for other in started:
                    os.kill(other, signal.SIGTERM)
                continue
            _log.error("worker %d ended with code %d after %.1f s; starting another", pid, code, age)
            started[_fork(work, number, alive, _held_open)] = (number, time.monotonic())
    return 1 if failed_starts > _MOST_FAILED_STARTS else 0


def _fork(work: Callable[[int, int], int], number: int, alive: int, held_open: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        # Only the supervisor holds the writing end: the reading one tells when it is gone, however it went.
        os.close(held_open)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = work(number, alive)
    except Exception:
        # The process's edge: its end must be its own, and never run the supervisor's code.
        _log.exception("worker failed")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(started: Iterable[int]) -> list[tuple[int, int]]:
    """Return the workers that ended, with their exit codes (negative: the signal that ended them)."""
    ended = []
    for pid in list(started):
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            ended.append((pid, os.waitstatus_to_exitcode(status)))
    return ended
