# SPDX-License-Identifier: Apache-2.0
"""The log of a model's aliases: numbered objects, each written once, so that of changes made at once none is lost.

Who changes something reads the log, decides, and creates the object with the next number. Where another was faster, the
object is there already, and all of this is done again. Deletions of versions stand in the same log, because what may
be deleted depends on the aliases, and what an alias may name on the deletions.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from pipelines.registry.aliases import CHAMPION, PREVIOUS, Aliases, LogEntry, LogState, check_alias, state_of
from pipelines.registry.errors import RegistryError
from pipelines.registry.store import Store

_FOLDER: Final = ".aliases"
_SUFFIX: Final = ".json"

#: Each lost race is another writer's success, so this many are lost only where the store itself is out of order.
_ATTEMPTS: Final = 200
_LONGEST_PAUSE: Final = 0.25


class AliasLog:
    """The log of one model.

    Args:
        store: Where the registry lives.
        model: The model's name.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self._folder = f"{model}/{_FOLDER}"
        #: What was read: an entry never changes, so none is read twice.
        self._entries: dict[int, LogEntry] = {}

    def read(self) -> LogState:
        """Return what the log amounts to.

        Raises:
            RegistryError: One of its objects is none of ours, or the registry cannot be reached.
        """
        names = self._store.files(self._folder)
        numbers = sorted(int(stem) for name in names if (stem := name.removesuffix(_SUFFIX)).isdecimal())
        new = [number for number in numbers if number not in self._entries]
        contents = self._store.read_all(map(self._path, new))
        self._entries.update((number, self._entry(number, contents)) for number in new)
        return state_of((number, self._entries[number]) for number in numbers)

    def change(self, alias: str, version: str | None, reason: str, check: Callable[[str], None]) -> Aliases:
        """Have an alias name a version, or nothing, and return what all of them name then.

        Args:
            alias: The alias.
            version: The version; None takes the alias away.
            reason: Why.
            check: Is given the version and raises where it is not there. It is asked after the log was read: a deletion
                that begins later stands in the log and is found there.
        """
        check_alias(alias)

        def decide(state: LogState) -> LogEntry | None:
            named = state.aliases.named()
            if version is None:
                if alias not in named:
                    there = ", ".join(named) or "none"
                    raise RegistryError(f"{self._model} has no alias {alias} (it has: {there})")
            else:
                self._refuse_deleted(state, version)
                check(version)
                if named.get(alias) == version:
                    return None
            return LogEntry(alias=alias, version=version, time=_now(), reason=reason, id=uuid4().hex)

        self._append(decide)
        return self.read().aliases

    def begin_deletion(self, version: str) -> int:
        """Note that a version is about to be deleted, which takes its aliases away, and return the note's number.

        Raises:
            RegistryError: It is the champion, or the one before it.
        """

        def decide(state: LogState) -> LogEntry:
            self.refuse_champions(state.aliases, version)
            return LogEntry(deletion="begun", version=version, time=_now(), id=uuid4().hex)

        return self._append(decide)

    def check_deletion(self, version: str, number: int) -> None:
        """Raise RegistryError where somebody else has begun to delete this version since, and sees to it now."""
        if self.read().deletions.get(version) != number:
            raise RegistryError(f"{self._store.root}/{self._model}/{version}: is being deleted by another as well")

    def end_deletion(self, version: str) -> None:
        """Note that a version is gone."""
        self._append(lambda _: LogEntry(deletion="ended", version=version, time=_now(), id=uuid4().hex))

    def refuse_champions(self, aliases: Aliases, version: str) -> None:
        """Raise RegistryError where a version is the champion, or the one before it."""
        for alias, named in ((CHAMPION, aliases.champion), (PREVIOUS, aliases.previous)):
            if named == version:
                raise RegistryError(
                    f"{self._model} {version} is {alias} and stays; to delete it, give the alias to another version "
                    f"first: `portside models tag {self._model} VERSION {alias}`"
                )

    def _refuse_deleted(self, state: LogState, version: str) -> None:
        if version in state.deletions:
            raise RegistryError(
                f"{self._store.root}/{self._model}/{version}: its deletion has begun and not ended; "
                f"finish it with `portside models delete {self._model} {version}`"
            )

    def _append(self, decide: Callable[[LogState], LogEntry | None]) -> int:
        """Append what is decided from the log as it is, until no other writer is faster, and return its last number."""
        for attempt in range(_ATTEMPTS):
            state = self.read()
            entry = decide(state)
            if entry is None:
                return state.length
            number = state.length + 1
            path, content = self._path(number), entry.model_dump_json(exclude_defaults=True).encode()
            # Where the answer to a write was lost and it was sent again, what is there is our own.
            if self._store.create(path, content) or self._store.read(path) == content:
                return number
            time.sleep(min(_LONGEST_PAUSE, 0.001 * 2 ** min(attempt, 10)))
        raise RegistryError(f"{self._store.root}/{self._folder}: could not be written to; try again later")

    def _entry(self, number: int, contents: dict[str, bytes]) -> LogEntry:
        path = self._path(number)
        try:
            return LogEntry.model_validate_json(contents.get(path, b""))
        except ValidationError as err:
            raise RegistryError(
                f"{self._store.root}/{path}: not an entry of a log of aliases; restore it, or delete it where the "
                "change it held may be forgotten"
            ) from err

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:06d}{_SUFFIX}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
