# SPDX-License-Identifier: Apache-2.0
"""How a load test takes part in Locust: its options, its users where there is a timetable, and who talks to whom.

The leader (Locust's master, or its only process) gives each worker a share of the timetable, waits until all have their
requests ready, and names the moment at which the timetable begins. Workers tell what they measured as they go, and the
rest when their share is over and answered. A process that runs alone is leader and worker at once.
"""

import argparse
import logging
from collections.abc import Callable
from typing import Any, Protocol

from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtests.errors import LoadTestError
from loadtests.open_loop import messages
from loadtests.open_loop.interrupts import end_on_interrupt, end_on_termination
from loadtests.open_loop.leader import Leader
from loadtests.open_loop.started import parsed_options, runner_of
from loadtests.open_loop.worker import Worker
from loadtests.options import add_options

logger = logging.getLogger(__name__)

_workers: dict[Environment, Worker] = {}


def worker_of(environment: Environment) -> Worker:
    """Return the part of this process that sends requests."""
    return _workers[environment]


class TimetableShape(LoadTestShape):
    """Locust's users where a timetable decides when requests are sent: one for each process, until it is over."""

    def __init__(self, leader: Leader, user_classes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._leader = leader
        self._user_classes = user_classes

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users and how fast they come; None once the timetable is over."""
        if self._leader.is_over:
            return None
        users = self._user_classes * max(len(self._leader.workers), 1)
        return users, float(users)


class _Received(Protocol):
    node_id: str
    data: Any


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: argparse.ArgumentParser) -> None:
    add_options(parser)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _join(environment: Environment, **_: object) -> None:
    if parsed_options(environment).skip_log_setup:
        logging.basicConfig(format="portside: %(message)s", level=logging.WARNING, force=True)
        logging.getLogger("loadtests").setLevel(parsed_options(environment).loglevel)
    end_on_interrupt()
    try:
        if isinstance(environment.runner, (MasterRunner, LocalRunner)):
            _lead(environment)
        if isinstance(environment.runner, (WorkerRunner, LocalRunner)):
            _work(environment)
    except LoadTestError as err:
        logger.error("%s", err)  # noqa: TRY400 (one sentence is what the user can mend it by)
        raise SystemExit(2) from err


def _lead(environment: Environment) -> None:
    leader, runner = Leader(environment), runner_of(environment)
    if leader.options.timetable() is not None:
        if environment.shape_class is not None:
            raise LoadTestError("the locustfile's LoadTestShape and --rate both say when requests come: use one")
        environment.shape_class = TimetableShape(leader, len(environment.user_classes))
        environment.shape_class.runner = runner
        end_on_termination(runner)
    listen = runner.register_message
    listen(messages.PREPARED, _listener(lambda node, _: leader.prepared(node)))
    listen(messages.MEASURED, _listener(lambda _, told: leader.measured(told)))
    listen(messages.FINISHED, _listener(leader.finished))
    listen(messages.FAILED, _listener(lambda _, told: leader.failed(told["reason"])))
    environment.events.test_start.add_listener(lambda **_: leader.begin())
    environment.events.quitting.add_listener(lambda **_: leader.end())
    environment.events.quit.add_listener(lambda **_: leader.write())


def _work(environment: Environment) -> None:
    worker = _workers[environment] = Worker(environment)
    listen = runner_of(environment).register_message
    listen(messages.SHARE, _listener(lambda _, told: worker.begin(told)))
    listen(messages.PLAY, _listener(lambda _, told: worker.play(told["wall"])))
    environment.events.test_stop.add_listener(lambda **_: worker.end())
    # Locust's own listener, which tells the leader that this process is gone, comes after this one.
    environment.events.quitting.add_listener(lambda **_: worker.end())


def _listener(act: Callable[[str, Any], None]) -> Callable[..., None]:
    """Return a listener as Locust calls it, for what wants to know the sender's name and what it said."""

    def listen(msg: _Received, **_: object) -> None:
        act(msg.node_id, msg.data)

    return listen
