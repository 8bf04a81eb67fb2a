# SPDX-License-Identifier: Apache-2.0
"""Scenarios that take long by waiting, several at a time, each on a service that is its own meanwhile."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from tests.e2e.rollout_controller import controller_log
from tests.e2e.rollout_service import RolloutService

T = TypeVar("T")
K = TypeVar("K")


def side_by_side(
    services: Sequence[RolloutService], scenarios: Mapping[K, Callable[[RolloutService], T]]
) -> dict[K, Future[T]]:
    """Run scenarios, as many at a time as there are services, and return what came of each.

    Args:
        services: Where they run; each is brought back to its start before the next one.
        scenarios: What to do with a service, in the order in which they begin.
    """
    free: SimpleQueue[RolloutService] = SimpleQueue()
    for service in services:
        free.put(service)

    def run(name: K, scenario: Callable[[RolloutService], T]) -> T:
        service, begin = free.get(), time.monotonic()
        try:
            service.start_again()
            return scenario(service)
        except BaseException:
            service.dump()
            print(controller_log())
            raise
        finally:
            free.put(service)
            print(f"\n{name}: {time.monotonic() - begin:.0f} s on {service.name}")

    with ThreadPoolExecutor(len(services)) as pool:
        return {name: pool.submit(run, name, scenario) for name, scenario in scenarios.items()}
