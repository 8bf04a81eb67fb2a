# SPDX-License-Identifier: Apache-2.0
"""Runs carried out behind a server's back: those of this machine in a process each, those elsewhere submitted."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Final, Literal, TypeAlias

from pipelines.errors import PipelineError
from pipelines.running.retraining import Outcome, Started, Trainer
from predictors.errors import PredictorError

_log = logging.getLogger(__name__)

#: What came of a run: submitted ones go on elsewhere.
End: TypeAlias = Literal["succeeded", "submitted", "failed"]
#: Kubeflow's local runner belongs to its process as a whole, so each run has its own, and not a copy of this one's.
_PROCESSES: Final = multiprocessing.get_context("spawn")
_STOP_SECONDS: Final = 10.0


class BackgroundRuns:
    """The runs that one server has started."""

    def __init__(self, most: int) -> None:
        """Begin with none.

        Args:
            most: How many runs of this machine go on at once.
        """
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="run")
        # A future that is done when it is to be watched tells so at once, in the thread that asks.
        self._lock = threading.RLock()
        self._runs: dict[Future[None], Started] = {}
        self._children: set[multiprocessing.process.BaseProcess] = set()
        self._stopping = False
        self._ends: Counter[tuple[str, End]] = Counter()

    def begin(self, started: Started, model: str) -> None:
        """Carry a claimed run out, without waiting for it.

        Args:
            started: The run.
            model: The model's name, for the account.

        Raises:
            PipelineError: The server is about to end; the claim is given back.
        """
        with self._lock:
            if not self._stopping:
                future = self._threads.submit(self._carry_out, started, model)
                self._runs[future] = started
                future.add_done_callback(self._forget)
                return
        started.give_up()
        raise PipelineError("this server is about to end and starts no more runs")

    def ends(self) -> dict[tuple[str, End], int]:
        """Return how many runs have ended, by model and end."""
        with self._lock:
            return dict(self._ends)

    def under_way(self) -> int:
        """Return how many runs this server sees to now."""
        with self._lock:
            return len(self._runs)

    def stop(self, seconds: float) -> None:
        """Start no more runs, wait for those that go on, and end those that take longer, their models free again.

        Args:
            seconds: How long to wait.
        """
        with self._lock:
            self._stopping = True
            waiting = dict(self._runs)
        # Those that have not begun never will.
        for future, started in waiting.items():
            if future.cancel():
                started.give_up()
        until = time.monotonic() + seconds
        while self.under_way() and time.monotonic() < until:
            time.sleep(0.05)
        with self._lock:
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            child.join(_STOP_SECONDS)
            child.kill()
        self._threads.shutdown(wait=True)

    def _forget(self, future: "Future[None]") -> None:
        with self._lock:
            self._runs.pop(future, None)

    def _carry_out(self, started: Started, model: str) -> None:
        """Carry a run out to its end and tell the log, which is all there is to tell."""
        end: End = "failed"
        try:
            outcome = self._outcome(started)
            _log.log(logging.ERROR if outcome.failed else logging.INFO, "%s", outcome.sentence)
            if not outcome.failed:
                end = "succeeded" if started.trainer.waits else "submitted"
        except PredictorError as err:
            _log.error("run %s of %s: %s", started.run, model, err)
        except Exception:  # the thread's edge: nobody waits for it
            _log.exception("run %s of %s ended by a fault", started.run, model)
        with self._lock:
            self._ends[model, end] += 1

    def _outcome(self, started: Started) -> Outcome:
        if not started.trainer.waits:
            return started.carry_out()
        try:
            return self._in_a_process(started)
        finally:
            started.give_up()

    def _in_a_process(self, started: Started) -> Outcome:
        ours, theirs = _PROCESSES.Pipe(duplex=False)
        words = (started.trainer, started.use_case, started.run, started.because, theirs)
        child = _PROCESSES.Process(target=_train, args=words, name=started.run)
        ended = Outcome(f"{started.run}: was ended before it was over; the next run goes on from there", failed=True)
        with self._lock:
            if self._stopping:
                return ended
            child.start()
            self._children.add(child)
        theirs.close()
        try:
            told: Outcome = ours.recv()
        except EOFError:
            return ended
        else:
            return told
        finally:
            ours.close()
            child.join()
            with self._lock:
                self._children.discard(child)


def _train(trainer: Trainer, use_case: str, run: str, because: str, answer: Connection) -> None:
    """Carry a run out in a process of its own, which ends when the server's does."""
    # As an exception it lets the run end the step that is under way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Of Ctrl-C, which all processes of a terminal get, the server makes what is to be made.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        answer.send(trainer.train(use_case, run, because, lambda line: print(line, file=sys.stderr)))  # noqa: T201
    except PredictorError as err:
        answer.send(Outcome(f"{run}: {err}", failed=True))


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
