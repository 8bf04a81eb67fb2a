# SPDX-License-Identifier: Apache-2.0
"""Where a step of a request runs: on the event loop when it is small, else by a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Placing:
    """Runs the steps of requests.

    Args:
        executor: Threads for what must not hold the event loop.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, here: bool, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a step returns, run on the event loop (``here``) or by a thread."""
        if here:
            return step(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(step, *args, **kwargs))
