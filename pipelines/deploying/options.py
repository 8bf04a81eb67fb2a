# SPDX-License-Identifier: Apache-2.0
"""How a version is deployed on a cluster: the words that a user gives a pipeline as ``NAME=VALUE``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipelines.errors import StepError

_QUANTITY: Final = re.compile(r"\d+(\.\d+)?([munkKMGTPE]i?)?")
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Options:
    """What a user says about a deployment.

    Attributes:
        choices: As ``portside deploy`` has them: replicas, cpu, memory, image and the like.
        wait: Seconds until a version that is not ready is given up.
        force: Whether fields that another manager owns are taken over.
    """

    choices: Mapping[str, Any] = field(default_factory=dict)
    wait: float = 300.0
    force: bool = False

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Options":
        """Return the options in the words of a user; a hyphen in a name is as good as an underscore.

        Raises:
            StepError: There is no such option, or its value is none.
        """
        chosen: dict[str, Any] = {}
        for word, text in given.items():
            name = word.replace("-", "_")
            if name not in _READERS:
                known = ", ".join(sorted(_READERS))
                raise StepError(f"there is no option {word} of a deployment: there are {known}")
            chosen[name] = _read(name, str(text))
        own = {name: chosen.pop(name) for name in ("wait", "force") if name in chosen}
        return cls(choices=chosen, **own)


def _read(name: str, text: str) -> Any:
    try:
        return _READERS[name](text)
    except ValueError as err:
        raise StepError(f"the option {name}={text} must be {err}") from err


def _replicas(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most:
        raise ValueError("MIN or MIN:MAX, 1 at least and MAX no less than MIN")
    return least, most


def _amounts(text: str) -> tuple[str, str]:
    request, _, limit = text.partition(":")
    if not all(_QUANTITY.fullmatch(quantity) for quantity in (request, limit or request)):
        raise ValueError("REQUEST or REQUEST:LIMIT, Kubernetes quantities such as 500m, 2 or 1Gi")
    return request, limit or request


def _percent(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:  # noqa: PLR2004 (per cent)
        raise ValueError("a number from 1 to 100")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError("true or false")
    return _TRUTHS[text.lower()]


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError("a number of seconds, such as 300")
    return float(text)


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "replicas": _replicas,
    "cpu_target": _percent,
    "cpu": _amounts,
    "memory": _amounts,
    "image": _text,
    "domain": _text,
    "service_account": _text,
    "allow_pickle": _truth,
    "wait": _seconds,
    "force": _truth,
}
