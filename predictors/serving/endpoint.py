# SPDX-License-Identifier: Apache-2.0
"""One served model between the protocols and its scorer: scores at once or through the queue, counts, logs.

Each protocol reads requests into tensors and writes answers in its own way; what lies between is the same for all.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from predictors.errors import PredictorError
from predictors.served_model import ServedModel
from predictors.serving.logs import untold
from predictors.serving.metrics.meter import Meter
from predictors.serving.prediction_log.log import Prediction, PredictionLog
from predictors.serving.scored import Scored
from predictors.serving.scoring_queue import ScoringQueue, deadline_passed
from predictors.v2.request import InferRequest

T = TypeVar("T")

_log = logging.getLogger(__name__)

_OK: Final = 200


class Origin(NamedTuple):
    """What is known of a request beside its content.

    Attributes:
        protocol: ``rest``, ``grpc`` or ``v1``.
        request_id: What the caller's infrastructure calls the request (``x-request-id``).
        traceparent: Its place in a trace, as W3C Trace Context writes it.
        timeout: Seconds that the caller gives it; None when it does not say.
    """

    protocol: str
    request_id: str | None = None
    traceparent: str | None = None
    timeout: float | None = None


class Refusal(NamedTuple):
    """How an error is told to the client.

    Attributes:
        status: The HTTP status.
        sentence: What was wrong.
    """

    status: int
    sentence: str


class Endpoint:
    """A served model version with its queue, counters and logs; used from the event loop only.

    Attributes:
        model: The model.
        meter: Its counters.
        queue: Where requests wait for what must not hold the event loop.
    """

    def __init__(
        self,
        model: ServedModel,
        meter: Meter,
        queue: ScoringQueue,
        *,
        deadline_seconds: float,
        prediction_log: PredictionLog | None = None,
    ) -> None:
        self.model = model
        self.meter = meter
        self.queue = queue
        self._deadline_seconds = deadline_seconds
        self._prediction_log = prediction_log
        self._tells_requests = _log.isEnabledFor(logging.DEBUG)

    def predict_now(self, request: InferRequest, origin: Origin, arrived: int) -> Scored:
        """Return the outputs, scored on the calling thread: for a fast scorer and a small request.

        Args:
            request: The valid request.
            origin: Where it comes from.
            arrived: When it came, in nanoseconds of ``time.perf_counter_ns``.

        Raises:
            InvalidRequestError: The model cannot score the values.
            DeadlineError: The request's time was over first.
        """
        begin = time.perf_counter_ns()
        outputs = self.model.predict(request.inputs)
        end = time.perf_counter_ns()
        timeout = origin.timeout if request.timeout is None else _least(request.timeout, origin.timeout)
        if timeout is not None and end - arrived > timeout * 1e9:
            raise deadline_passed()
        return Scored(outputs, 0, end - begin, None, True)

    async def predict(self, request: InferRequest, origin: Origin, arrived: int) -> Scored:
        """Return the outputs, scored by a thread; raises as ``predict_now`` does, and QueueFullError."""
        timeout = _least(request.timeout, origin.timeout)
        seconds = min(self._deadline_seconds if timeout is None else timeout, self._deadline_seconds)
        left = seconds - (time.perf_counter_ns() - arrived) / 1e9
        return await self.queue.predict(request.inputs, request.rows, asyncio.get_running_loop().time() + left)

    async def answer(
        self,
        origin: Origin,
        arrived: int,
        read: Callable[[], Awaitable[InferRequest]],
        write: Callable[[InferRequest, Scored], Awaitable[T]],
    ) -> T | Refusal:
        """Take a request through that must not hold the event loop, and count and log what becomes of it.

        A refusal is returned, not raised: an overloaded server says little else, and that must cost little.

        Args:
            origin: Where it comes from.
            arrived: When it came, in nanoseconds of ``time.perf_counter_ns``.
            read: Reads it, once there is room for it.
            write: Writes the answer.
        """
        request: InferRequest | None = None
        self.meter.enter()
        try:
            self.queue.check_room()
            request = await read()
            read_at = time.perf_counter_ns()
            scored = await self.predict(request, origin, arrived)
            answer = await write(request, scored)
        except asyncio.CancelledError:
            if origin.timeout is not None and (time.perf_counter_ns() - arrived) / 1e9 >= origin.timeout:
                # The client itself ended the call in time; one that gave up sooner is no fault of anybody's.
                self.refused(deadline_passed(), origin, arrived, request)
            raise
        except Exception as err:
            # The request's edge: whatever goes wrong inside ends here.
            return self.refused(err, origin, arrived, request)
        finally:
            self.meter.leave()
        self.answered(request, origin, scored, arrived, read_at)
        return answer

    def answered(self, request: InferRequest, origin: Origin, scored: Scored, arrived: int, read: int) -> None:
        """Count and log a request whose answer is written.

        Args:
            request: The request.
            origin: Where it comes from.
            scored: Its outputs and their times.
            arrived: When it came, in nanoseconds of ``time.perf_counter_ns``.
            read: When its tensors were there, likewise.
        """
        now = time.perf_counter_ns()
        total = now - arrived
        self.meter.answered(origin.protocol, now, scored, request.rows, total=total, read=read - arrived)
        if self._prediction_log is not None:
            self._record(self._prediction_log, request, origin, scored, total)
        if self._tells_requests:
            self._tell(request.id, origin, _OK, total)

    def refused(self, err: Exception, origin: Origin, arrived: int, request: InferRequest | None = None) -> Refusal:
        """Count and log a request that got an error, and return what the client is told.

        An error that nobody raised on purpose is logged with its traceback, and its text kept inside.
        """
        total = time.perf_counter_ns() - arrived
        request_id = None if request is None else request.id
        refusal = refusal_of(err, self._fields(request_id, origin))
        self.meter.refused(origin.protocol, refusal.status, total)
        if self._tells_requests:
            self._tell(request_id, origin, refusal.status, total)
        return refusal

    def _record(
        self, log: PredictionLog, request: InferRequest, origin: Origin, scored: Scored, nanoseconds: int
    ) -> None:
        request_id = request.id or origin.request_id
        if log.samples(request_id):
            seconds = nanoseconds / 1e9
            log.record(
                Prediction(
                    model=self.model.name,
                    version=self.model.version,
                    request_id=request_id,
                    traceparent=origin.traceparent,
                    protocol=origin.protocol,
                    time=time.time() - seconds,
                    seconds=seconds,
                    inputs=request.inputs,
                    outputs=scored.outputs,
                )
            )

    def _tell(self, request_id: str | None, origin: Origin, status: int, nanoseconds: int) -> None:
        fields = {**self._fields(request_id, origin), "status": status, "milliseconds": nanoseconds / 1e6}
        _log.debug("%s %s", origin.protocol, status, extra={"fields": fields})

    def _fields(self, request_id: str | None, origin: Origin) -> dict[str, object]:
        fields: dict[str, object] = {"model": self.model.name, "version": self.model.version}
        if request_id or origin.request_id:
            fields["request_id"] = request_id or origin.request_id
        if origin.traceparent:
            fields["traceparent"] = origin.traceparent
        return fields


def refusal_of(err: Exception, fields: dict[str, object] | None = None) -> Refusal:
    """Return how an error is told to a client; one that nobody raised on purpose is logged, its text kept inside."""
    if isinstance(err, PredictorError):
        return Refusal(int(err.status), str(err))
    incident = uuid.uuid4().hex
    told = {"incident": incident, **(fields or {})}
    _log.error("failed to answer a request: %s", incident, exc_info=untold(err), extra={"fields": told})
    return Refusal(500, f"the server failed to answer; its log tells more under {incident}")


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
