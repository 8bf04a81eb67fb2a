# SPDX-License-Identifier: Apache-2.0
"""The names that versions of a model go by, such as ``champion``: what a log of changes amounts to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from pipelines.registry.errors import RegistryError

CHAMPION: Final = "champion"
PREVIOUS: Final = "previous"

#: Those that Vertex AI takes too.
_ALIAS: Final = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class AliasChange:
    """One change, as it was made.

    Attributes:
        alias: The alias.
        version: What it names since; None where it was taken away.
        time: When, in ISO 8601 and UTC, by the clock of who made it.
        reason: Why; may be empty.
    """

    alias: str
    version: str | None
    time: str
    reason: str


@dataclass(frozen=True, slots=True)
class Aliases:
    """What a model's aliases name.

    Attributes:
        champion: The version that serves, or is to; None before there is one.
        previous: The champion before it.
        other: The versions that other aliases name.
        history: The changes that led here, oldest first. A new champion makes the former one ``previous`` by itself.
    """

    champion: str | None
    previous: str | None
    other: Mapping[str, str]
    history: tuple[AliasChange, ...]

    def named(self) -> dict[str, str]:
        """Return the versions by alias: champion, previous, then the others by name."""
        own = {CHAMPION: self.champion, PREVIOUS: self.previous}
        return {
            **{alias: version for alias, version in own.items() if version is not None},
            **dict(sorted(self.other.items())),
        }

    def of(self, version: str) -> list[str]:
        """Return the aliases of a version."""
        return [alias for alias, named in self.named().items() if named == version]


class LogEntry(BaseModel):
    """What one object of the log says: an alias was changed, or a version's deletion has begun or ended.

    Attributes:
        alias: The alias that was changed; None for a deletion.
        version: What the alias names since (None where it was taken away), or the version that is deleted.
        time: When.
        reason: Why.
        deletion: None for a change of an alias.
        id: Tells this entry from any other.
    """

    model_config = ConfigDict(frozen=True)

    alias: str | None = None
    version: str | None
    time: str
    reason: str = ""
    deletion: Literal["begun", "ended"] | None = None
    id: str


@dataclass(frozen=True, slots=True)
class LogState:
    """What a whole log amounts to.

    Attributes:
        aliases: The aliases.
        deletions: Of each version whose deletion has begun and not ended, the number of the entry that began it last.
        length: The number of the last entry.
    """

    aliases: Aliases
    deletions: Mapping[str, int]
    length: int


def state_of(entries: Iterable[tuple[int, LogEntry]]) -> LogState:
    """Return what numbered entries amount to, oldest first."""
    named: dict[str, str] = {}
    deletions: dict[str, int] = {}
    history: list[AliasChange] = []
    length = 0
    for number, entry in entries:
        length = number
        if entry.deletion == "begun":
            deletions[str(entry.version)] = number
            named = {alias: version for alias, version in named.items() if version != entry.version}
        elif entry.deletion == "ended":
            deletions.pop(str(entry.version), None)
        elif entry.alias is not None:
            history.append(AliasChange(entry.alias, entry.version, entry.time, entry.reason))
            named = _changed(named, entry.alias, entry.version)
    other = {alias: version for alias, version in named.items() if alias not in (CHAMPION, PREVIOUS)}
    aliases = Aliases(named.get(CHAMPION), named.get(PREVIOUS), other, tuple(history))
    return LogState(aliases, deletions, length)


def check_alias(alias: str) -> None:
    """Raise RegistryError unless this may be an alias."""
    if not _ALIAS.fullmatch(alias):
        raise RegistryError(
            f'the alias "{alias}" must be 2 to 63 small letters, digits or "-", a letter first and no "-" last, '
            "as in champion"
        )


def _changed(named: Mapping[str, str], alias: str, version: str | None) -> dict[str, str]:
    rest = {other: its for other, its in named.items() if other != alias}
    if version is None:
        return rest
    former = named.get(alias)
    if alias == CHAMPION and former not in (None, version):
        rest[PREVIOUS] = str(former)
    return {**rest, alias: version}
