# SPDX-License-Identifier: Apache-2.0
"""What a process that sends requests does in a run: it takes its share, plays it, and tells what it measured."""

from argparse import Namespace
from typing import Final

import gevent
from locust.env import Environment

from loadtests.errors import LoadTestError
from loadtests.open_loop import messages
from loadtests.open_loop.session import Session, wall_to_monotonic
from loadtests.open_loop.started import runner_of
from loadtests.options import LoadOptions

#: Between the cells of what was measured: they are told a few at a time, while requests leave.
_PAUSE_SECONDS: Final = 0.02


class Worker:
    """The part of a process that sends requests."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._session: Session | None = None
        self._reporting: gevent.Greenlet | None = None

    @property
    def session(self) -> Session:
        """The run that is under way.

        Raises:
            LoadTestError: None is.
        """
        if self._session is None:
            raise LoadTestError("no run is under way in this process: it is Locust's runner that starts users")
        return self._session

    def begin(self, share: messages.Share) -> None:
        """Make ready for a run of which this process plays a share."""
        options = LoadOptions.read(Namespace(**share["options"]))
        timetable = options.timetable()
        part = None if timetable is None else timetable.share(share["number"], share["of"])
        self._session = Session(self._environment, options, share["number"], part)
        self._reporting = gevent.spawn(self._report, self._session)

    def prepared(self) -> None:
        """Tell the leader that the requests are ready; every user does, the first one counts."""
        self._send(messages.PREPARED, None)

    def failed(self, reason: str) -> None:
        """Tell the leader that the run cannot be, and why."""
        self._send(messages.FAILED, messages.Failed(reason=reason))

    def play(self, wall: float) -> None:
        """Begin at that time of the wall clock, in seconds."""
        self.session.play(wall_to_monotonic(wall))

    def end(self) -> None:
        """End the run, over or not, and tell what was measured last."""
        if self._session is None:
            return
        session, self._session = self._session, None
        if self._reporting is not None:
            self._reporting.kill()
        session.close(self._environment.stop_timeout)
        self._finish(session, complete=False)

    def _report(self, session: Session) -> None:
        session.playing.wait()
        over = gevent.spawn(session.wait_until_over)
        while not over.ready():
            over.join(_PAUSE_SECONDS)
            part = session.take_cell()
            if part is not None:
                self._send(messages.MEASURED, part)
        self._finish(session, complete=True)

    def _finish(self, session: Session, *, complete: bool) -> None:
        self._send(messages.MEASURED, session.measurements.take())
        share = session.processor_share()
        self._send(messages.FINISHED, messages.Finished(processor_share=share, complete=complete))

    def _send(self, kind: str, data: object) -> None:
        runner_of(self._environment).send_message(kind, data)
