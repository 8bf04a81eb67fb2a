# SPDX-License-Identifier: Apache-2.0
"""The log of sampled predictions: requests leave them on a bounded queue, and one thread in each process writes them.

A request that is answered pays for an append to that queue and no more. What the queue has no room for is dropped and
counted, and so is what the sink does not take.
"""

import logging
import os
import random
import re
import sys
import threading
import time
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from predictors.errors import SettingsError
from predictors.serving.prediction_log.files import file_sink, stdout_sink
from predictors.serving.prediction_log.http import http_sink
from predictors.serving.prediction_log.record import Prediction
from predictors.serving.prediction_log.sink import Sink, SinkError

__all__ = ["Prediction", "PredictionLog"]

_log = logging.getLogger(__name__)

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")

_Result: TypeAlias = Literal["written", "dropped", "failed"]

_MOST_HELD_BYTES: Final = 64 * 2**20
_BATCH: Final = 100
_BATCH_BYTES: Final = 2**20
#: Seconds before each further attempt at a sink that cannot be reached.
_PAUSES: Final = (0.2, 0.8, 3.2)
_SECONDS_BETWEEN_WARNINGS: Final = 60.0


class _Held(NamedTuple):
    prediction: Prediction
    size: int


class PredictionLog:
    """Samples predictions and writes them in the background.

    It may be made before the process forks: each process has its own queue, thread, sink and counters.

    Attributes:
        written: Predictions that the sink took, in this process.
        dropped: Predictions for which the queue had no room, or which came after the end.
        failed: Predictions that the sink refused, that no attempt brought to it, or that were left at the end.
    """

    def __init__(
        self,
        target: str,
        *,
        rate: float,
        redact: frozenset[str] = frozenset(),
        capacity: int = 1000,
        on_result: Callable[[str, int], None] | None = None,
    ) -> None:
        """Prepare to log; no thread runs before ``start`` or the first record.

        Args:
            target: ``-`` for standard output, a file's path, or a URL of http or https.
            rate: The share of predictions to log, 0 to 1.
            redact: Names of tensors whose data stay out of the log.
            capacity: The most predictions held in memory, those that are being written among them. There is a limit of
                64 MiB of tensors too.
            on_result: Called with ``written``, ``dropped`` or ``failed`` and how many, by the thread that counts them.

        Raises:
            SettingsError: Nothing can be written to the target, or the rate is none.
            ValueError: The capacity is below 1.
        """
        if not 0 <= rate <= 1:
            raise SettingsError(f"the prediction log's rate is from 0 to 1, not {rate}")
        if capacity < 1:
            raise ValueError(f"the capacity is at least 1, not {capacity}")
        self._new_sink = _sink_at(target)
        self._rate = rate
        self._threshold = rate * 2**32
        self._redact = redact
        self._capacity = capacity
        self._batch = min(_BATCH, capacity)
        self._on_result = on_result
        self._begin()
        os.register_at_fork(after_in_child=partial(_begin_again, weakref.ref(self)))

    def _begin(self) -> None:
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self._accepted = 0
        self._held_bytes = 0
        self._waiting: deque[_Held] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._closed = False
        self._given_up = threading.Event()
        self._warned_at = -_SECONDS_BETWEEN_WARNINGS
        self._told_lost = 0

    def samples(self, request_id: str | None) -> bool:
        """Return whether to log a request: by its id the same on every server; without one, at random."""
        if not request_id:  # what gRPC clients that set none send is ""
            return random.random() < self._rate  # noqa: S311 (a sample, no secret)
        return zlib.crc32(request_id.encode(errors="surrogatepass")) < self._threshold

    def start(self) -> None:
        """Start the thread of this process, so that the first record need not."""
        with self._changed:
            self._start()

    def record(self, prediction: Prediction) -> None:
        """Leave a prediction to be written. Never waits for the sink, and never raises."""
        try:
            accepted = self._accept(prediction)
        except Exception:
            # The request's edge: its answer is ready, and is not lost for the log's sake.
            accepted = False
        if not accepted:
            with self._changed:
                self.dropped += 1
            self._report("dropped", 1)

    def close(self, seconds: float) -> None:
        """Write what is held, within so many seconds; what is left then counts as failed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, seconds))
        with self._changed:
            lost = self._held()
            self.failed += lost
            self._waiting.clear()
            self._given_up.set()
        if lost:
            self._report("failed", lost)
            self._warn_of_losses("the server ended before they were written")

    def _held(self) -> int:
        return self._accepted - self.written - self.failed

    def _accept(self, prediction: Prediction) -> bool:
        size = sum(map(_size, chain(prediction.inputs.values(), prediction.outputs.values())))
        with self._changed:
            if not (self._has_room_for(size) and self._start()):
                return False
            self._accepted += 1
            self._held_bytes += size
            self._waiting.append(_Held(prediction, size))
            if len(self._waiting) == 1 or self._is_full():
                self._changed.notify()
            return True

    def _has_room_for(self, size: int) -> bool:
        if self._closed or self._held() >= self._capacity:
            return False
        return self._held_bytes == 0 or self._held_bytes + size <= _MOST_HELD_BYTES

    def _is_full(self) -> bool:
        """Whether a batch is worth its write before its time."""
        return self._closed or len(self._waiting) >= self._batch or self._held_bytes >= _BATCH_BYTES

    def _start(self) -> bool:
        """Start the thread if none runs; gives whether one does. Called with the lock held."""
        if self._thread is None and not self._closed:
            thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread to give; the request is answered all the same
                return False
            self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        sink = self._new_sink()
        while batch := self._take(sink.linger):
            try:
                self._write_batch(sink, [held.prediction for held in batch])
            finally:
                with self._changed:
                    self._held_bytes -= sum(held.size for held in batch)
        sink.close()

    def _take(self, linger: float) -> list[_Held]:
        """Return the next batch; an empty one when all is written and the log closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._is_full, timeout=linger)
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _write_batch(self, sink: Sink, predictions: Sequence[Prediction]) -> None:
        records: list[bytes] = []
        size = 0
        for prediction in predictions:
            try:
                record = sink.encode(prediction, self._redact)
            except Exception as err:
                # The thread's edge: arrays come from anybody's Processing, and must not end the log for the others.
                self._settle(failed=1, reason=f"a value cannot be told in JSON: {type(err).__name__}")
                continue
            if records and size + len(record) > _BATCH_BYTES:
                self._write(sink, records)
                records, size = [], 0
            records.append(record)
            size += len(record)
        if records:
            self._write(sink, records)

    def _write(self, sink: Sink, records: Sequence[bytes]) -> None:
        for pause in (*_PAUSES, None):
            try:
                sink.write(records)
            except SinkError as err:
                if err.passing and pause is not None and not self._given_up.wait(pause):
                    continue
                failed = len(records) - err.delivered
                self._settle(written=err.delivered, failed=failed, reason=str(err))
            except Exception as err:
                # The thread's edge, as above.
                self._settle(failed=len(records), reason=type(err).__name__)
            else:
                self._settle(written=len(records))
            return

    def _settle(self, *, written: int = 0, failed: int = 0, reason: str = "the queue was full") -> None:
        """Count what became of records, unless they were given up and counted as failed already."""
        with self._changed:
            if self._given_up.is_set():
                return
            self.written += written
            self.failed += failed
        if written:
            self._report("written", written)
        if failed:
            self._report("failed", failed)
        self._warn_of_losses(reason)

    def _report(self, result: _Result, count: int) -> None:
        if self._on_result is not None:
            try:
                self._on_result(result, count)
            except Exception:
                # The request's edge, and the thread's: counting never fails either of them.
                _log.exception("the prediction log's results cannot be counted")

    def _warn_of_losses(self, reason: str) -> None:
        """Tell of what was lost since the last warning, unless that was less than a minute ago."""
        lost = self.failed + self.dropped
        now = time.monotonic()
        if lost > self._told_lost and now - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            _log.warning("%d predictions were not logged: %s", lost - self._told_lost, reason)
            self._told_lost = lost
            self._warned_at = now


def _sink_at(target: str) -> Callable[[], Sink]:
    """Return what makes a process's sink for a target; SettingsError, which never shows a URL, when nothing can."""
    if target == "-":
        return stdout_sink()
    url = _URL.match(target)
    if url is None:
        return file_sink(target)
    if url[1].lower() not in {"http", "https"}:
        raise SettingsError(f'the prediction log takes a path, "-" or a URL of http or https; "{url[1]}" is unknown')
    return http_sink(target)


def _begin_again(log: "weakref.ref[PredictionLog]") -> None:
    """Forget, in a forked process, the queue and thread of the process it came from."""
    found = log()
    if found is not None:
        found._begin()


def _size(array: npt.NDArray[np.generic]) -> int:
    return sum(map(sys.getsizeof, array.flat)) if array.dtype.hasobject else array.nbytes
