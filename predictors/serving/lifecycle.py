# SPDX-License-Identifier: Apache-2.0
"""Where a server is in its life: loading, ready, or draining before its end."""

from enum import Enum

from predictors.errors import NotReadyError


class Phase(Enum):
    """What a server does.

    Attributes:
        LOADING: It is alive and answers no inference yet.
        READY: It answers.
        DRAINING: It still answers whoever has not heard, and tells that it will not for long.
    """

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The phase of one process.

    Attributes:
        phase: Where it is.
    """

    def __init__(self, phase: Phase = Phase.READY) -> None:
        self.phase = phase

    @property
    def is_ready(self) -> bool:
        """Whether new clients are welcome."""
        return self.phase is Phase.READY

    @property
    def is_loading(self) -> bool:
        """Whether it is not even known which models there will be."""
        return self.phase is Phase.LOADING

    def check_loaded(self) -> None:
        """Raise NotReadyError while the models are not loaded yet."""
        if self.phase is Phase.LOADING:
            raise NotReadyError("the server is loading its models; come again in a moment")
