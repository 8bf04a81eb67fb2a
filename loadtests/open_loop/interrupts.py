# SPDX-License-Identifier: Apache-2.0
"""Signals that end a run early, in a program of greenlets."""

import signal
import threading

import gevent
from locust.runners import Runner


def end_on_interrupt() -> None:
    """Let Ctrl-C end Locust's main greenlet, which then stops the run and writes what was measured.

    Python raises ``KeyboardInterrupt`` in whichever greenlet happens to run: without this it is, in a busy run, that of
    a request, which is lost with a traceback. A process that ignores Ctrl-C goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and _is_main_thread():
        gevent.signal_handler(signal.SIGINT, _interrupt)


def end_on_termination(runner: Runner) -> None:
    """Let SIGTERM do as Ctrl-C does while a timetable is played.

    Locust listens to SIGTERM too, but only once the shape of its users is over, and dies of it before.
    """

    def terminate() -> None:
        if runner.shape_greenlet is not None and not runner.shape_greenlet.ready():
            _interrupt()

    if _is_main_thread():
        gevent.signal_handler(signal.SIGTERM, terminate)


def _interrupt() -> None:
    # The hub's parent is the greenlet that the program began in.
    gevent.kill(gevent.get_hub().parent, KeyboardInterrupt)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
