# SPDX-License-Identifier: Apache-2.0
"""How gRPC tells a refusal: a code for each HTTP status, and the same sentence."""

from enum import IntEnum
from typing import Final

from predictors.serving.endpoint import Refusal


class Code(IntEnum):
    """The gRPC status codes that this server gives."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


_CODES: Final = {
    400: Code.INVALID_ARGUMENT,
    404: Code.NOT_FOUND,
    413: Code.RESOURCE_EXHAUSTED,
    429: Code.RESOURCE_EXHAUSTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


class CallRefusedError(Exception):
    """A call ends with a status other than OK; whatever had to be counted and logged is.

    Attributes:
        code: The status.
        sentence: What was wrong.
    """

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def call_refused(refusal: Refusal) -> CallRefusedError:
    """Return the error that tells a refusal to a gRPC client."""
    return CallRefusedError(_CODES.get(refusal.status, Code.INTERNAL), refusal.sentence)
