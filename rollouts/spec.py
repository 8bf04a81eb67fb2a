# SPDX-License-Identifier: Apache-2.0
"""What a ModelRollout asks for, read from its object; the CRD's schema has refused most of what cannot be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from cluster.errors import ClusterError
from cluster.services.artifact_uri import folder_uri, version_of
from rollouts.errors import SpecError

_Choice = TypeVar("_Choice", bound=StrEnum)

GROUP: Final = "portside.dev"
VERSION: Final = "v1alpha1"
PLURAL: Final = "modelrollouts"
KIND: Final = "ModelRollout"
#: API version and kind, as ``cluster.api`` takes them.
MODEL_ROLLOUT: Final = (f"{GROUP}/{VERSION}", KIND)

#: The annotation by which a user goes on from a step that holds: the step's number.
RESUMED_STEP: Final = f"{GROUP}/resumed-step"

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")

DEFAULT_STEPS: Final = (5, 25, 50)
DEFAULT_MIN_REQUESTS: Final = 300
DEFAULT_DEADLINE: Final = 1800.0
DEFAULT_READY_DEADLINE: Final = 300.0


class WhenBusy(StrEnum):
    """What a rollout does while another one of its service has not ended."""

    WAIT = "Wait"
    REPLACE = "Replace"


class End(StrEnum):
    """How a user ends a rollout at once."""

    PROMOTE = "Promote"
    ABORT = "Abort"


@dataclass(frozen=True, slots=True)
class Step:
    """One share of the traffic.

    Attributes:
        traffic: Per cent of the requests that the canary answers, 1 to 100.
        hold: Stay there until a user goes on: an A/B test of fixed shares.
    """

    traffic: int
    hold: bool = False


@dataclass(frozen=True, slots=True)
class LatencyGate:
    """How slow the canary may be at one percentile, by the predictors' own time from arrival to answer.

    Attributes:
        percentile: Above 0, below 100.
        max_ratio: How many times the stable version's; None: not compared.
        max_milliseconds: In itself; None: no limit.
    """

    percentile: float
    max_ratio: float | None = None
    max_milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold; None where a gate is not asked for.

    Attributes:
        max_error_increase: How far the canary's share of requests answered with 5xx may lie above the stable one's.
        latency: How slow it may be.
        max_shift: The largest total variation distance, 0 to 1, between the outputs of both versions.
        max_disagreement: The largest share of shadowed requests that both versions answer differently.
    """

    max_error_increase: float | None = None
    latency: LatencyGate | None = None
    max_shift: float | None = None
    max_disagreement: float | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """What is to be rolled out where, and what must hold.

    Attributes:
        name: The ModelRollout's name.
        namespace: Its namespace, and the service's.
        uid: The object's.
        created: When it was made.
        service: The InferenceService's name.
        storage_uri: The new version's artifact; a folder in a bucket ends in a slash.
        steps: Shares of the traffic, rising; none: promoted as soon as the canary is ready (and shadowed, if asked).
        gates: What must hold.
        shadow_requests: How many pairs of answers to compare before the first step; 0 shadows nothing.
        min_requests: How many requests each version must have answered in a step.
        deadline: Seconds from the first look at its answers until it is reverted as inconclusive; pauses and steps that
            hold do not count.
        ready_deadline: Seconds that the canary's pods may take to be ready.
        keep_previous: Seconds that the former version is kept running without traffic after promotion.
        when_busy: What to do while another rollout of the service is under way.
        force: Whether the version may be an older one than that which serves.
        paused: Whether a user has it wait.
        end: How a user has it end.
        resumed_step: The last step of those that hold which a user has gone on from; 0: none.
    """

    name: str
    namespace: str
    uid: str
    created: datetime
    service: str
    storage_uri: str
    steps: tuple[Step, ...] = tuple(map(Step, DEFAULT_STEPS))
    gates: Gates = Gates()
    shadow_requests: int = 0
    min_requests: int = DEFAULT_MIN_REQUESTS
    deadline: float = DEFAULT_DEADLINE
    ready_deadline: float = DEFAULT_READY_DEADLINE
    keep_previous: float = 0.0
    when_busy: WhenBusy = WhenBusy.WAIT
    force: bool = False
    paused: bool = False
    end: End | None = None
    resumed_step: int = 0

    @property
    def version(self) -> str:
        """The new version, as its URI tells it: its last part."""
        return version_of(self.storage_uri)


def read_rollout(document: Mapping[str, Any]) -> Rollout:
    """Return what a ModelRollout asks for.

    Raises:
        SpecError: A duration or a choice cannot be read, the steps do not rise, or KServe cannot read the artifact.
            (The CRD refuses most of that, but an object may be older than the rule.)
    """
    metadata, spec = document["metadata"], document["spec"]
    steps = tuple(
        Step(each["traffic"], each.get("hold", False))
        for each in spec.get("steps", [{"traffic": share} for share in DEFAULT_STEPS])
    )
    shares = [step.traffic for step in steps]
    if shares != sorted(set(shares)):
        raise SpecError(f"steps must rise: {', '.join(f'{share} %' for share in shares)}")
    end = spec.get("end")
    return Rollout(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid", ""),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        service=spec["inferenceService"],
        storage_uri=_artifact(str(spec["storageUri"])),
        steps=steps,
        gates=_gates(spec.get("gates", {})),
        shadow_requests=spec.get("shadow", {}).get("requests", 0),
        min_requests=spec.get("minRequests", DEFAULT_MIN_REQUESTS),
        deadline=_seconds(spec, "deadline", DEFAULT_DEADLINE),
        ready_deadline=_seconds(spec, "readyDeadline", DEFAULT_READY_DEADLINE),
        keep_previous=_seconds(spec, "keepPrevious", 0.0),
        when_busy=_choice(WhenBusy, "whenBusy", spec.get("whenBusy", WhenBusy.WAIT)),
        force=spec.get("force", False),
        paused=spec.get("paused", False),
        end=None if end is None else _choice(End, "end", end),
        resumed_step=_whole_number(metadata.get("annotations", {}).get(RESUMED_STEP, "0")),
    )


def label_of(version: str) -> str:
    """Return a version as a part of a Kubernetes name: ``1.0.0-rc1`` is ``1-0-0-rc1``."""
    return _NOT_IN_NAMES.sub("-", version.lower()).strip("-")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``30m``, ``1h30m`` or ``500ms``.

    Raises:
        SpecError: It is none.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise SpecError(f"{text!r} is not a duration, such as 30m, 1h30m or 45s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _artifact(uri: str) -> str:
    try:
        return folder_uri(uri)
    except ClusterError as err:
        raise SpecError(f"spec.storageUri: {err}") from err


def _choice(choices: type[_Choice], key: str, word: str) -> _Choice:
    try:
        return choices(word)
    except ValueError as err:
        raise SpecError(f"spec.{key}: {word!r} must be {' or '.join(choices)}") from err


def _seconds(spec: Mapping[str, Any], key: str, default: float) -> float:
    text = spec.get(key)
    try:
        return default if text is None else parse_duration(text)
    except SpecError as err:
        raise SpecError(f"spec.{key}: {err}") from err


def _whole_number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _gates(gates: Mapping[str, Any]) -> Gates:
    latency = gates.get("latency")
    return Gates(
        max_error_increase=gates.get("errors", {}).get("maxIncrease"),
        latency=None
        if latency is None
        else LatencyGate(latency["percentile"], latency.get("maxRatio"), latency.get("maxMilliseconds")),
        max_shift=gates.get("predictions", {}).get("maxShift"),
        max_disagreement=gates.get("disagreements", {}).get("maxRate"),
    )
