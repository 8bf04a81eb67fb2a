# SPDX-License-Identifier: Apache-2.0
"""How a version is deployed on a cluster: the words that a user gives a pipeline as ``NAME=VALUE``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipelines.deploying.option_values import Reader, percent, read_options, replicas, seconds, truth

_QUANTITY: Final = re.compile(r"\d+(\.\d+)?([munkKMGTPE]i?)?")


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
        chosen = read_options(given, _READERS, "")
        own = {name: chosen.pop(name) for name in ("wait", "force") if name in chosen}
        return cls(choices=chosen, **own)


def _amounts(text: str) -> tuple[str, str]:
    request, _, limit = text.partition(":")
    if not all(_QUANTITY.fullmatch(quantity) for quantity in (request, limit or request)):
        raise ValueError("REQUEST or REQUEST:LIMIT, Kubernetes quantities such as 500m, 2 or 1Gi")
    return request, limit or request


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text


_READERS: Final[Mapping[str, Reader]] = {
    "replicas": replicas,
    "cpu_target": percent,
    "cpu": _amounts,
    "memory": _amounts,
    "image": _text,
    "domain": _text,
    "service_account": _text,
    "allow_pickle": truth,
    "wait": seconds,
    "force": truth,
}
