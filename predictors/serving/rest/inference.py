# SPDX-License-Identifier: Apache-2.0
"""REST inference: from a request's body and headers to its reply, at once or by way of the threads."""

import time
from concurrent.futures import Executor

from predictors.serving.endpoint import Endpoint, Refusal
from predictors.serving.placing import Placing
from predictors.serving.rest.replies import Reply, answer_reply, refusal_reply
from predictors.serving.rest.request_head import RequestHead
from predictors.serving.scored import Scored
from predictors.serving.unpacking import unpacked
from predictors.v2.request import InferRequest


def reply_now(endpoint: Endpoint, body: bytes, head: RequestHead, arrived: int) -> Reply:
    """Return the reply to a small request for a fast scorer; what goes wrong is a reply too.

    Args:
        endpoint: The model that is asked.
        body: The request's body, not packed.
        head: What its headers say.
        arrived: When it came, in nanoseconds of ``time.perf_counter_ns``.
    """
    request = None
    try:
        request = endpoint.model.reader.read(body, head.json_length)
        read = time.perf_counter_ns()
        scored = endpoint.predict_now(request, head.origin, arrived)
        answer = endpoint.model.writer.write(request, scored.outputs)
        reply = answer_reply(answer, gzip=head.wants_gzip)
    except Exception as err:
        # The request's edge: whatever goes wrong inside ends here.
        return refusal_reply(endpoint.refused(err, head.origin, arrived, request))
    endpoint.answered(request, head.origin, scored, arrived, read)
    return reply


class RestInference:
    """Answers requests of any size, for any scorer."""

    def __init__(self, executor: Executor, *, max_body_bytes: int, inline_body_bytes: int) -> None:
        """Keep the limits.

        Args:
            executor: Threads for what must not hold the event loop.
            max_body_bytes: The largest body once it is unpacked.
            inline_body_bytes: The largest body that is read, and by a fast scorer scored, on the event loop.
        """
        self._placing = Placing(executor)
        self._max_body_bytes = max_body_bytes
        self._inline_body_bytes = inline_body_bytes

    async def reply(self, endpoint: Endpoint, head: RequestHead, body: bytes, arrived: int) -> Reply:
        """Return the reply to a request; what goes wrong is a reply too.

        Args:
            endpoint: The model that is asked.
            head: What the request's headers say.
            body: Its body.
            arrived: When its head was there, in nanoseconds of ``time.perf_counter_ns``.
        """
        # A few packed bytes may unpack to many, so they are never for the event loop.
        small = head.encoding is None and len(body) <= self._inline_body_bytes
        if small and endpoint.model.scorer.inline:
            return reply_now(endpoint, body, head, arrived)
        run = self._placing.run
        answer = await endpoint.answer(
            head.origin,
            arrived,
            lambda: run(small, self._read, endpoint, head, body),
            lambda request, scored: run(small, _write, endpoint, head, request, scored),
        )
        return refusal_reply(answer) if isinstance(answer, Refusal) else answer

    def _read(self, endpoint: Endpoint, head: RequestHead, body: bytes) -> InferRequest:
        if head.encoding is not None:
            body = unpacked(body, head.encoding, self._max_body_bytes)
        return endpoint.model.reader.read(body, head.json_length)


def _write(endpoint: Endpoint, head: RequestHead, request: InferRequest, scored: Scored) -> Reply:
    return answer_reply(endpoint.model.writer.write(request, scored.outputs), gzip=head.wants_gzip)
