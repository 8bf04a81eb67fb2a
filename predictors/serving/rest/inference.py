# SPDX-License-Identifier: Apache-2.0
"""REST inference: from a request's body and headers to its reply, at once or by way of the threads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

from predictors.serving.endpoint import Endpoint
from predictors.serving.rest.replies import Reply, answer_reply, refusal_reply
from predictors.serving.rest.request_head import RequestHead
from predictors.serving.scored import Scored
from predictors.serving.unpacking import unpacked
from predictors.v2.request import InferRequest

P = ParamSpec("P")
T = TypeVar("T")


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
        self._executor = executor
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
        request: InferRequest | None = None
        endpoint.meter.enter()
        try:
            endpoint.queue.check_room()
            if head.encoding is not None:
                # A few bytes may unpack to many, so this is never for the event loop.
                loop = asyncio.get_running_loop()
                body = await loop.run_in_executor(self._executor, unpacked, body, head.encoding, self._max_body_bytes)
            small = len(body) <= self._inline_body_bytes
            if small and endpoint.model.scorer.inline:
                return reply_now(endpoint, body, head, arrived)
            request = await self._run(small, endpoint.model.reader.read, body, head.json_length)
            read = time.perf_counter_ns()
            scored = await endpoint.predict(request, head.origin, arrived)
            reply = await self._run(small, _write, endpoint, request, scored, head.wants_gzip)
        except Exception as err:
            # The request's edge, as above.
            return refusal_reply(endpoint.refused(err, head.origin, arrived, request))
        finally:
            endpoint.meter.leave()
        endpoint.answered(request, head.origin, scored, arrived, read)
        return reply

    async def _run(self, here: bool, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a step returns, run on the event loop or by a thread."""
        if here:
            return step(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(step, *args, **kwargs))


def _write(endpoint: Endpoint, request: InferRequest, scored: Scored, gzip: bool) -> Reply:
    return answer_reply(endpoint.model.writer.write(request, scored.outputs), gzip=gzip)
