# SPDX-License-Identifier: Apache-2.0
"""The named loads of each use case: profiles/NAME.yaml, read strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from loadtests.errors import LoadTestError
from loadtests.timetable import Phase, parse_phases
from loadtests.yaml_file import read_yaml

FOLDER: Final = Path(__file__).parent / "profiles"

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Profile(BaseModel):
    """How requests arrive, and what is asked of the server meanwhile.

    Attributes:
        about: One sentence on what it is for.
        rate: Requests/s, as text for ``parse_phases``.
        duration: Seconds; None where the phases of ``rate`` have lengths of their own.
        arrivals: "poisson" or "constant".
        warmup: Seconds from the start that are not measured.
        tags: Which requests of the suite are sent; empty for all.
        slo: The file that says what must hold, from ``loadtests/``; None is ``slo/NAME.yaml``, the use case's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    about: _Text
    rate: _Text
    duration: float | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    warmup: float = Field(0.0, ge=0)
    tags: Annotated[tuple[_Text, ...], Field(strict=False)] = ()
    slo: Annotated[str, StringConstraints(pattern=r"^slo/[A-Za-z0-9_-]+\.yaml$")] | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The rates, one after another."""
        return parse_phases(self.rate, self.duration)

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        try:
            seconds = sum(phase.seconds for phase in self.phases)
        except LoadTestError as err:
            raise ValueError(str(err)) from err
        if self.warmup >= seconds:
            raise ValueError(f"the warm-up of {self.warmup:g} s leaves nothing of {seconds:g} s to measure")
        return self


def read_profile(use_case: str, name: str, folder: Path = FOLDER) -> Profile:
    """Return one profile of a use case.

    Raises:
        LoadTestError: There is no such profile, or its file cannot be used.
    """
    profiles = profiles_of(use_case, folder)
    if name not in profiles:
        raise LoadTestError(f'{use_case} has no profile "{name}": there are {", ".join(profiles)}')
    return profiles[name]


def profiles_of(use_case: str, folder: Path = FOLDER) -> Mapping[str, Profile]:
    """Return all profiles of a use case by name: smoke, steady, spike, soak and overload.

    Raises:
        LoadTestError: The use case has no profiles, or their file cannot be used; the file and the key are named.
    """
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if use_case not in known:
        raise LoadTestError(
            f'there are no profiles for "{use_case}": {folder} has those of {", ".join(known) or "none"}'
        )
    path = folder / f"{use_case}.yaml"
    try:
        told = read_yaml(path)
    except OSError as err:
        raise LoadTestError(f"{path}: it cannot be read ({err.strerror})") from err
    if not isinstance(told, dict):
        raise LoadTestError(f"{path}: it must hold the profiles {', '.join(_Profiles.model_fields)} by name")
    try:
        profiles = _Profiles.model_validate(told)
    except ValidationError as err:
        raise LoadTestError(f"{path}: {_sentence(err)}") from err
    return {name: getattr(profiles, name) for name in _Profiles.model_fields}


class _Profiles(BaseModel):
    """A file: every use case has all of these, so that their names mean the same everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoke: Profile
    steady: Profile
    spike: Profile
    soak: Profile
    overload: Profile


def _sentence(err: ValidationError) -> str:
    first = err.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = Profile.model_fields if len(first["loc"]) > 1 else _Profiles.model_fields
        return f"{place}: unknown key; there are {', '.join(known)}"
    if first["type"] == "missing":
        return f"{place}: it is missing"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
