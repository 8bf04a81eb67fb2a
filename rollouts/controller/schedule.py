# SPDX-License-Identifier: Apache-2.0
"""When each rollout is looked at: a few threads, each taking the one whose turn it is; never two at the same one."""

import heapq
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

_log = logging.getLogger(__name__)

#: How long after a fault that nobody foresaw a rollout is looked at again, in seconds.
_AFTER_A_FAULT: Final = 10.0


class Key(NamedTuple):
    """Which rollout.

    Attributes:
        namespace: Its namespace.
        name: Its name.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Schedule:
    """The rollouts that are to be looked at, and the threads that do it.

    Args:
        tick: Looks at one; returns in how many seconds, counted from its beginning, the next look is due, or None when
            the rollout is not there any more.
        threads: How many are looked at side by side. One that takes long holds up nothing but its own next look.
    """

    def __init__(self, tick: Callable[[Key], float | None], threads: int) -> None:
        self._tick = tick
        self._changed = threading.Condition()
        self._open: set[Key] = set()
        # A rollout is in the queue, or among those under way, or neither where it was dropped.
        self._queue: list[tuple[float, Key]] = []
        self._under_way: dict[Key, float] = {}
        self._asked_meanwhile: set[Key] = set()
        self._ended = False
        self._threads = [threading.Thread(target=self._work, name=f"tick-{n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Begin no further look, and wait for those under way; return whether all have ended in time."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def add(self, key: Key) -> None:
        """Have a rollout looked at, at once and from then on; one that is known stays as it is."""
        with self._changed:
            if key in self._under_way:
                # Its look may just find that there is none, and this be the first word of a new one of its name.
                self._asked_meanwhile.add(key)
            elif key not in self._open:
                self._put(key, time.monotonic())
            self._open.add(key)

    def drop(self, key: Key) -> None:
        """Look at a rollout no more; a look under way ends by itself."""
        with self._changed:
            self._open.discard(key)
            self._asked_meanwhile.discard(key)
            self._queue = [entry for entry in self._queue if entry[1] != key]
            heapq.heapify(self._queue)

    @property
    def size(self) -> int:
        """How many rollouts are looked at."""
        return len(self._open)

    @property
    def longest(self) -> float:
        """How long the oldest look under way has taken so far, in seconds; 0 where there is none."""
        with self._changed:
            return time.monotonic() - min(self._under_way.values()) if self._under_way else 0.0

    @property
    def late(self) -> float:
        """For how long the rollout whose turn it is has been waiting for a thread, in seconds."""
        with self._changed:
            return max(0.0, time.monotonic() - self._queue[0][0]) if self._queue else 0.0

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            key, began = taken
            try:
                again = self._tick(key)
            except Exception:  # the thread's edge: others' rollouts go on, and this one is tried again
                _log.exception("%s: the tick met a fault", key)
                again = _AFTER_A_FAULT
            self._give_back(key, began, again)

    def _take(self) -> tuple[Key, float] | None:
        """Wait for a rollout whose turn it is; None at the end."""
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                wait = self._queue[0][0] - now if self._queue else None
                if wait is not None and wait <= 0:
                    _, key = heapq.heappop(self._queue)
                    self._under_way[key] = now
                    return key, now
                self._changed.wait(wait)
            return None

    def _give_back(self, key: Key, began: float, again: float | None) -> None:
        with self._changed:
            del self._under_way[key]
            asked = key in self._asked_meanwhile
            self._asked_meanwhile.discard(key)
            if again is None and not asked:
                self._open.discard(key)
            elif key in self._open:
                self._put(key, began + (again or 0.0))

    def _put(self, key: Key, due: float) -> None:
        heapq.heappush(self._queue, (due, key))
        self._changed.notify()
