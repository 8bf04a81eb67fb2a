# SPDX-License-Identifier: Apache-2.0
"""What exists once in a run: it gives out the timetable, names the beginning, and keeps what was measured."""

import logging
import time
from datetime import UTC, datetime
from typing import Final

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from loadtests.environment import describe_environment
from loadtests.measurements import Measurements, Message
from loadtests.open_loop import messages
from loadtests.open_loop.started import parsed_options, runner_of
from loadtests.options import LoadOptions
from loadtests.run import Run, reason_file
from loadtests.timetable import Timetable, write_timetable

#: From the moment all are ready until the timetable begins: what a message needs to reach every worker.
_LEAD_SECONDS: Final = 0.5
_PROGRESS_SECONDS: Final = 5.0
_WRONG_USE: Final = 2

logger = logging.getLogger(__name__)


class Leader:
    """The part of a run that exists once: it begins and ends the run, and keeps what was measured."""

    def __init__(self, environment: Environment) -> None:
        self.options = LoadOptions.read(parsed_options(environment))
        self._environment = environment
        self._timetable: Timetable | None = None
        self._measurements = Measurements()
        self._waiting: set[str] = set()
        self._playing: set[str] = set()
        self._processors: dict[str, float] = {}
        self._workers = 0
        self._failed = False
        self._interrupted = False
        self._started = datetime.now(UTC)
        self._origin = time.monotonic()
        self._elapsed = 0.0
        self._progress: gevent.Greenlet | None = None

    @property
    def workers(self) -> set[str]:
        """The processes that send requests, by Locust's names for them."""
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return {"local"}
        return {client.id for client in runner.clients.ready + runner.clients.running + runner.clients.spawning}

    @property
    def is_over(self) -> bool:
        """Whether every worker has finished its share, or was lost."""
        return self._workers > 0 and not (self._playing & self.workers)

    def begin(self) -> None:
        """Start a run: tell each worker its share of the timetable."""
        self.options = LoadOptions.read(parsed_options(self._environment))
        self._timetable = self.options.timetable()
        if self._timetable is not None and self.options.save_timetable is not None:
            write_timetable(self._timetable, self.options.save_timetable)
        self._measurements = Measurements()
        self._processors = {}
        self._interrupted = False
        workers = sorted(self.workers)
        self._workers = len(workers)
        self._waiting, self._playing = set(workers), set(workers)
        for number, worker in enumerate(workers):
            share = messages.Share(number=number, of=len(workers), options=self.options.plain())
            self._send(messages.SHARE, share, worker)

    def prepared(self, worker: str) -> None:
        """Note that a worker is ready; name the moment of beginning once all are."""
        if worker not in self._waiting:
            return
        self._waiting.remove(worker)
        if self._timetable is None:  # every user brings its own arrivals, and nobody waits for anybody
            self._begin_at(time.time(), {worker})
        elif not self._waiting:
            self._begin_at(time.time() + _LEAD_SECONDS, self._playing)

    def measured(self, message: Message) -> None:
        """Add what a worker has measured since it told last."""
        self._measurements.merge(message)
        self._elapsed = max(time.monotonic() - self._origin, 0.0)

    def finished(self, worker: str, told: messages.Finished) -> None:
        """Note that a worker's share is over; what it tells again when Locust ends is nothing new."""
        if worker in self._playing:
            self._playing.remove(worker)
            self._processors[worker] = told["processor_share"]
            self._interrupted = self._interrupted or not told["complete"]

    def failed(self, reason: str) -> None:
        """End Locust because a worker cannot take part."""
        if self.options.run_file is None:
            logger.error("%s", reason)
        else:
            reason_file(self.options.run_file).write_text(reason, encoding="utf-8")
        self._failed = True
        self._environment.process_exit_code = _WRONG_USE
        gevent.spawn(runner_of(self._environment).quit)

    def end(self) -> None:
        """End a run that is under way, and wait for what the workers measured last."""
        runner = runner_of(self._environment)
        if isinstance(runner, MasterRunner) and self._playing & self.workers:
            runner.stop()

    def write(self) -> None:
        """Write what the run measured, where that was asked for and anything was begun."""
        if self._progress is not None:
            self._progress.kill()
        if self.options.run_file is not None and self._workers and not self._failed:
            self._run().write(self.options.run_file)

    def _begin_at(self, wall: float, workers: set[str]) -> None:
        self._started = datetime.fromtimestamp(wall, UTC)
        self._origin = time.monotonic() + wall - time.time()
        if self._progress is None:
            self._progress = gevent.spawn(self._tell_progress)
        for worker in sorted(workers):
            self._send(messages.PLAY, messages.Play(wall=wall), worker)

    def _run(self) -> Run:
        options, timetable = self.options, self._timetable
        total = self._measurements.total
        return Run(
            measurements=self._measurements,
            asked=() if timetable is None else tuple(timetable.per_second()),
            to_measure=total.requests if timetable is None else timetable.due_from(options.warmup),
            seconds=self._elapsed if timetable is None else timetable.seconds,
            elapsed=self._elapsed,
            warmup=options.warmup,
            arrivals=options.describe_arrivals(),
            seed=options.seed,
            digest="" if timetable is None else timetable.digest(),
            model=options.model or "",
            host=str(self._environment.host or ""),
            started=self._started.isoformat(timespec="milliseconds"),
            workers=self._workers,
            interrupted=self._interrupted and timetable is not None,
            cpu=max(self._processors.values(), default=0.0),
            options=options.given(),
            environment=describe_environment(),
        )

    def _tell_progress(self) -> None:
        while True:
            gevent.sleep(_PROGRESS_SECONDS)
            stats, seconds = self._environment.stats.total, time.monotonic() - self._origin
            logger.info("%4.0f s: %d requests answered, %d failed", seconds, stats.num_requests, stats.num_failures)

    def _send(self, kind: str, data: object, worker: str) -> None:
        runner_of(self._environment).send_message(kind, data, worker)
