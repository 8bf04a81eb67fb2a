# SPDX-License-Identifier: Apache-2.0
"""How a version is deployed on a cluster: the words that a user gives a pipeline as ``NAME=VALUE``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipelines.deploying.option_values import Reader, percent, read_options, replicas, seconds, truth
from pipelines.errors import StepError
from rollouts.errors import SpecError
from rollouts.spec import parse_duration

_ALL: Final = 100
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?([munkKMGTPE]i?)?")


@dataclass(frozen=True, slots=True)
class Options:
    """What a user says about a deployment.

    Attributes:
        choices: As ``portside deploy`` has them: replicas, cpu, memory, image and the like.
        wait: Seconds until a version that is not ready is given up.
        force: Whether fields that another manager owns are taken over.
        rollout: Whether a version that replaces another one is rolled out step by step.
        rollout_fields: What a ModelRollout's spec then has besides service, artifact and gates.
    """

    choices: Mapping[str, Any] = field(default_factory=dict)
    wait: float = 300.0
    force: bool = False
    rollout: bool = False
    rollout_fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Options":
        """Return the options in the words of a user; a hyphen in a name is as good as an underscore.

        Raises:
            StepError: There is no such option, its value is none, or it has no place without ``rollout=true``.
        """
        chosen = read_options(given, _READERS, "")
        own = {name: chosen.pop(name) for name in ("wait", "force", "rollout") if name in chosen}
        fields = {_ROLLOUT_FIELDS[name]: chosen.pop(name) for name in _ROLLOUT_FIELDS if name in chosen}
        if fields and not own.get("rollout"):
            raise StepError(f"{', '.join(_ROLLOUT_FIELDS)} say how a version is rolled out: add rollout=true")
        return cls(choices=chosen, rollout_fields=fields, **own)


def _amounts(text: str) -> tuple[str, str]:
    request, _, limit = text.partition(":")
    if not all(_QUANTITY.fullmatch(quantity) for quantity in (request, limit or request)):
        raise ValueError("REQUEST or REQUEST:LIMIT, Kubernetes quantities such as 500m, 2 or 1Gi")
    return request, limit or request


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text


def _steps(text: str) -> list[dict[str, int]]:
    shares = [int(share) if share.strip().isdecimal() else 0 for share in text.split(",")]
    if shares != sorted(set(shares)) or not 1 <= shares[0] <= shares[-1] <= _ALL:
        raise ValueError("per cent from 1 to 100 that rise, such as 5,25,50")
    return [{"traffic": share} for share in shares]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number, such as 300")
    return int(text)


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except SpecError as err:
        raise ValueError("a time, such as 30m") from err
    return text


#: The options of a rollout, and what its spec calls them.
_ROLLOUT_FIELDS: Final[Mapping[str, str]] = {
    "rollout_steps": "steps",
    "rollout_min_requests": "minRequests",
    "rollout_deadline": "deadline",
    "rollout_keep_previous": "keepPrevious",
}
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
    "rollout": truth,
    "rollout_steps": _steps,
    "rollout_min_requests": _number,
    "rollout_deadline": _duration,
    "rollout_keep_previous": _duration,
}
