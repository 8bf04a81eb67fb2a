# SPDX-License-Identifier: Apache-2.0
"""Several processes that answer: forked once the models are loaded, so that they share the models' memory."""

import logging
import os
import select
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
_MANY: Final = 4096


def supervise(count: int, work: Callable[[int, int], int], on_stop: Callable[[], None]) -> int:
    """Keep that many workers running until a signal asks to stop, and return the exit code.

    A worker that ends by itself is replaced. SIGTERM and SIGINT are passed on, the second one always as SIGINT, and
    then every worker's end is waited for.

    Args:
        count: How many workers.
        work: What a worker does: it gets its number, from 0 on, which its successor will have too, and a file
            descriptor that becomes readable when this process is gone; it unblocks SIGTERM and SIGINT once it listens
            to them, and returns the worker's exit code.
        on_stop: Called when no more workers will be started, to let go of what was held for them.
    """
    heard = _Signals()
    alive, held_open = os.pipe()

    def start(number: int) -> int:
        return _fork(work, number, alive, (held_open, *heard.descriptors))

    started = {start(number): (number, time.monotonic()) for number in range(count)}
    stopping = False
    failed_starts = 0
    while started:
        came = heard.wait()
        for asked in came & {signal.SIGTERM, signal.SIGINT}:
            passed_on = signal.SIGINT if stopping else asked
            stopping = True
            on_stop()
            for pid in started:
                os.kill(pid, passed_on)
        for pid, code in _ended(started):
            number, begin = started.pop(pid)
            age = time.monotonic() - begin
            if stopping:
                continue
            failed_starts = failed_starts + 1 if age < _YOUNG else 0
            if failed_starts > _MOST_FAILED_STARTS:
                _log.error("workers keep ending within %g s of their start; giving up", _YOUNG)
                stopping = True
                on_stop()
                for other in started:
                    os.kill(other, signal.SIGTERM)
                continue
            _log.error("worker %d ended with code %d after %.1f s; starting another", pid, code, age)
            started[start(number)] = (number, time.monotonic())
    return 1 if failed_starts > _MOST_FAILED_STARTS else 0


class _Signals:
    """Hears signals, in whichever thread they arrive: native libraries have threads too, and any of them may get one.

    They are blocked in this thread but for while it waits, so that a worker is born with its signals blocked.

    Attributes:
        descriptors: What is open for it, of no use to a worker.
    """

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.descriptors = os.pipe()
        for end in self.descriptors:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.descriptors[1])
        for number in _SIGNALS:
            signal.signal(number, _do_nothing)

    def wait(self) -> set[int]:
        """Wait for signals, and return their numbers."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        select.select(self.descriptors[:1], (), ())
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        return set(os.read(self.descriptors[0], _MANY))


def _do_nothing(*_: object) -> None:
    pass


def _fork(work: Callable[[int, int], int], number: int, alive: int, not_inherited: Iterable[int]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for descriptor in not_inherited:
            # Among them the writing end that only the supervisor holds: the other one tells when it is gone.
            os.close(descriptor)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
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
