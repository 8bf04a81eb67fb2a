# SPDX-License-Identifier: Apache-2.0
"""Locust users whose requests leave when they are due: the base of every suite here, and of yours."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from gevent import GreenletExit
from locust import User, tag, task
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_WAITING

from loadtests.errors import LoadTestError
from loadtests.open_loop.coordination import worker_of
from loadtests.open_loop.dispatcher import Arrival, Source
from loadtests.open_loop.session import Kind, Session

Task = TypeVar("Task", bound=Callable[..., Kind])


def sends(weight: int, *tags: str) -> Callable[[Task], Task]:
    """Make a method a task: Locust's ``task`` and ``tag`` in one, typed for tasks that return a ``Kind``.

    Args:
        weight: How often it is chosen, beside the others.
        tags: For ``--tags`` and ``--exclude-tags``.
    """

    def decorate(function: Task) -> Task:
        return cast("Task", tag(*tags)(task(weight)(cast("Any", function))))

    return decorate


class OpenLoopUser(User):
    """A user that brings arrivals, and says for each which kind of request is sent.

    With ``--rate`` or ``--replay`` the users of a run play one timetable together, and it does not matter how many they
    are. Without, each brings ``rate`` Poisson arrivals a second of its own, so that Locust's numbers of users, spawn
    rates and shapes say how many requests come.

    Tasks, with their weights and tags as everywhere in Locust, return the ``Kind`` of request to be sent; they are
    called for every arrival, and must be quick.
    """

    abstract = True

    #: Requests/s of one user, where there is no timetable.
    rate: ClassVar[float] = 1.0

    def prepare(self, session: Session) -> None:
        """Make requests ready; called once in each user before anything is due."""

    def run(self) -> None:  # type: ignore[misc]  # Locust's own loop asks, waits for the answer, and asks again
        """Bring arrivals until they are over or Locust stops this user."""
        # In this state Locust ends a user at once: nothing of it is ever half done, since it only waits.
        self._state = LOCUST_STATE_WAITING
        source: Source | None = None
        try:
            self.on_start()
            worker = worker_of(self.environment)
            session = worker.session
            self.prepare(session)
            worker.prepared()
            session.playing.wait()
            source = Source(session.arrivals(self.rate), lambda arrival: session.send(arrival, self._kind(arrival)))
            session.add(source)
            source.over.wait()
        except (GreenletExit, StopUser):
            pass
        except LoadTestError as err:
            worker_of(self.environment).failed(str(err))
        finally:
            if source is not None:
                source.stop()
            self.on_stop()  # type: ignore[no-untyped-call]

    def _kind(self, arrival: Arrival) -> Kind:
        # The upper bits choose the task, the lower ones the request: so that they do not depend on each other.
        chosen = cast("Callable[[OpenLoopUser], Kind]", self.tasks[(arrival.draw >> 32) % len(self.tasks)])
        return chosen(self)
