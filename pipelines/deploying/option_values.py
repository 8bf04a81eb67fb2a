# SPDX-License-Identifier: Apache-2.0
"""The values of a deployment's options as people write them, read alike wherever the deployment goes."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipelines.errors import StepError

_TRUTHS: Final = {"true": True, "false": False}

#: Reads a text; ValueError says what it must be.
Reader = Callable[[str], Any]


def read_options(given: Mapping[str, str], readers: Mapping[str, Reader], where: str) -> dict[str, Any]:
    """Return the options by their names; a hyphen in a name is as good as an underscore.

    Args:
        given: In the words of a user.
        readers: Of each option there is.
        where: What the deployment goes to, behind "a deployment" in a sentence.

    Raises:
        StepError: There is no such option, or its value is none.
    """
    chosen: dict[str, Any] = {}
    for word, text in given.items():
        name = word.replace("-", "_")
        if name not in readers:
            raise StepError(f"there is no option {word} of a deployment{where}: there are {', '.join(sorted(readers))}")
        try:
            chosen[name] = readers[name](str(text))
        except ValueError as err:
            raise StepError(f"the option {name}={text} must be {err}") from err
    return chosen


def replicas(text: str) -> tuple[int, int]:
    """Return the fewest and the most pods or machines."""
    found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most:
        raise ValueError("MIN or MIN:MAX, 1 at least and MAX no less than MIN")
    return least, most


def percent(text: str) -> int:
    """Return a whole number from 1 to 100."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:  # noqa: PLR2004 (per cent)
        raise ValueError("a number from 1 to 100")
    return int(text)


def truth(text: str) -> bool:
    """Return whether it says true."""
    if text.lower() not in _TRUTHS:
        raise ValueError("true or false")
    return _TRUTHS[text.lower()]


def seconds(text: str) -> float:
    """Return a number of seconds."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError("a number of seconds, such as 300")
    return float(text)
