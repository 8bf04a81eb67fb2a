# SPDX-License-Identifier: Apache-2.0
"""What the processes of one run tell each other, by Locust's own connections."""

from typing import Final, TypedDict

#: From the leader: here is your share of the timetable.
SHARE: Final = "portside-share"
#: From a worker: my requests are ready to be sent.
PREPARED: Final = "portside-prepared"
#: From the leader: the timetable begins at this moment.
PLAY: Final = "portside-play"
#: From a worker: this was measured since I told last.
MEASURED: Final = "portside-measured"
#: From a worker: my share is over.
FINISHED: Final = "portside-finished"
#: From a worker: I cannot take part, and why.
FAILED: Final = "portside-failed"


class Share(TypedDict):
    """Which part of the timetable a worker plays, and the options of the run; it may have been started with none."""

    number: int
    of: int
    options: dict[str, object]


class Play(TypedDict):
    """When the timetable begins, by the wall clock, in seconds; the one clock that machines share."""

    wall: float


class Finished(TypedDict):
    """How much of one core the worker has used, 1 being all of it; and whether its share was played to the end."""

    processor_share: float
    complete: bool


class Failed(TypedDict):
    """Why a worker cannot take part, in one sentence."""

    reason: str
