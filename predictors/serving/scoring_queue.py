# SPDX-License-Identifier: Apache-2.0
"""Where requests wait for what must not hold the event loop: bounded, joined into batches, each with its deadline.

Nobody waits for a batch to fill: while one is scored, those that come meanwhile make up the next. Requests of many
rows take a lane of their own, so that the small ones never queue behind them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from predictors.errors import DeadlineError, QueueFullError
from predictors.served_model import ServedModel
from predictors.serving.metrics.meter import Meter
from predictors.serving.metrics.output_counts import Tally
from predictors.serving.scored import Scored
from predictors.signature import Tensors

#: What came of one request, and its outputs counted by bin where they are many.
_Result: TypeAlias = tuple[Tensors | Exception, Tally | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    inputs: Tensors
    rows: int
    entered: int
    done: "asyncio.Future[Scored]"


class _Lane:
    """Jobs in order of their arrival, so many at once in threads, joined up to so many rows."""

    def __init__(self, most_at_once: int, most_rows: int) -> None:
        self.jobs: deque[_Job] = deque()
        self.free: int = most_at_once
        self._most_rows = most_rows

    def next_batch(self) -> list[_Job]:
        """Take the jobs that are scored next; those whose client no longer waits are dropped."""
        batch: list[_Job] = []
        rows = 0
        while self.jobs and (not batch or rows + self.jobs[0].rows <= self._most_rows):
            job = self.jobs.popleft()
            if not job.done.done():
                batch.append(job)
                rows += job.rows
        return batch


class ScoringQueue:
    """The queue before one model, used from the event loop only.

    Attributes:
        waiting: Requests that were let in and have no outputs yet.
        admitted: Requests that a protocol has begun to read and not answered yet, where it counts them: hundreds may be
            read before the first of them is let in.
        full: The refusal of one that is too many.
    """

    def __init__(
        self,
        model: ServedModel,
        meter: Meter,
        executor: Executor,
        *,
        threads: int,
        max_queue: int,
        max_batch_rows: int,
    ) -> None:
        """Stand before a model.

        Args:
            model: Scores.
            meter: Counts batches and waiting times.
            executor: Threads, shared with other models.
            threads: How many of them this model may use at once.
            max_queue: Requests that may wait.
            max_batch_rows: Rows that are scored together at most; 1 joins none.
        """
        self.waiting = 0
        self.admitted = 0
        self.full = queue_full(model)
        self._model = model
        self._meter = meter
        self._executor = executor
        self._max_queue = max_queue
        self._many: Final = max_batch_rows
        joins = model.joins and max_batch_rows > 1
        # Batches come one after another: the longer each takes, the larger is the next.
        self._small = _Lane(1 if joins else threads, max_batch_rows if joins else 1)
        self._large = _Lane(threads, 1)

    @property
    def is_full(self) -> bool:
        """Whether one more request would be too many."""
        return max(self.waiting, self.admitted) >= self._max_queue

    def check_room(self) -> None:
        """Raise QueueFullError when a request that was admitted is one too many all the same."""
        if self.waiting >= self._max_queue:
            raise queue_full(self._model)

    async def predict(self, inputs: Tensors, rows: int, deadline: float) -> Scored:
        """Return the outputs once a thread has scored them.

        Args:
            inputs: A valid request's tensors.
            rows: How many rows they have.
            deadline: When it is too late, in seconds of the event loop's clock.

        Raises:
            QueueFullError: Too many requests wait already.
            DeadlineError: The deadline passed first.
            InvalidRequestError: The model cannot score the values.
        """
        self.check_room()
        loop = asyncio.get_running_loop()
        if deadline <= loop.time():
            raise deadline_passed()
        job = _Job(inputs, rows, time.perf_counter_ns(), loop.create_future())
        lane = self._large if rows >= self._many and self._many > 1 else self._small
        lane.jobs.append(job)
        self.waiting += 1
        job.done.add_done_callback(self._leave)
        self._dispatch(lane)
        timer = loop.call_at(deadline, _expire, job.done)
        try:
            return await job.done
        except (DeadlineError, asyncio.CancelledError):
            if job in lane.jobs:
                lane.jobs.remove(job)
            raise
        finally:
            timer.cancel()

    def _leave(self, _: "asyncio.Future[Scored]") -> None:
        self.waiting -= 1

    def _dispatch(self, lane: _Lane) -> None:
        while lane.free and lane.jobs:
            batch = lane.next_batch()
            if not batch:
                return
            lane.free -= 1
            started = time.perf_counter_ns()
            scoring = asyncio.get_running_loop().run_in_executor(self._executor, self._score, batch)
            scoring.add_done_callback(partial(self._finish, lane, batch, started))

    def _score(self, batch: list[_Job]) -> list[_Result]:
        if len(batch) > 1:
            return [(result, None) for result in self._model.predict_together([job.inputs for job in batch])]
        outputs = self._model.predict(batch[0].inputs)
        return [(outputs, self._meter.outputs.tally(outputs))]

    def _finish(self, lane: _Lane, batch: list[_Job], started: int, scoring: "asyncio.Future[list[_Result]]") -> None:
        lane.free += 1
        took = time.perf_counter_ns() - started
        try:
            results: Iterable[_Result] = scoring.result()
        except Exception as err:
            # Whatever went wrong for all of them is told to each.
            results = [(err, None)] * len(batch)
        self._meter.scored(sum(job.rows for job in batch))
        for job, (result, tally) in zip(batch, results, strict=True):
            waited = started - job.entered
            self._meter.waited(waited)
            if job.done.done():
                continue  # its client gave up, or its deadline passed
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(Scored(result, waited, took, tally))
        self._dispatch(lane)


def queue_full(model: ServedModel) -> QueueFullError:
    """Return the refusal of a request that would be one too many."""
    return QueueFullError(f'model "{model.name}" has as many requests waiting as it may; come again in a moment')


def deadline_passed() -> DeadlineError:
    """Return the refusal of a request whose time is over."""
    return DeadlineError("the request's time was over before its answer was there")


def _expire(done: "asyncio.Future[Scored]") -> None:
    if not done.done():
        done.set_exception(deadline_passed())
