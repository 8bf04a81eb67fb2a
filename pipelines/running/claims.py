# SPDX-License-Identifier: Apache-2.0
"""Who trains a model now: of several that would begin at once, one does, and the others learn of it.

Claims are numbered notes in the registry, ``.claims/<model>/000001.json`` and on. The newest one counts, and says that
a run is under way or that there is none. A note is made where its number is free, which of several writers one does: so
a claim is taken, given back and taken over from a run that has ended in one way only, and no race can end with two.
Notes that no longer count are cleared away.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.registry import Records, RegistryError

#: More than all steps of a training pipeline may take one after another: what is older has died without a word.
LIMIT: Final = timedelta(hours=12)
_SUFFIX: Final = ".json"
#: Each lost race is another's success, so this many are lost only where the registry is out of order.
_ATTEMPTS: Final = 100
_LONGEST_PAUSE: Final = 0.25


class _Note(BaseModel):
    """What a note holds; one without a run says that there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    since: str
    run: str = ""
    because: str = ""
    where: Mapping[str, str] = {}


@dataclass(frozen=True)
class Claim:
    """A run that is under way.

    Attributes:
        run: Its name.
        because: Why it runs.
        since: When it was begun, UTC.
        where: What runs it, and what one must know to ask whether it still does.
        number: The number of its note.
        mine: Whether it is the one that was asked for, rather than one that was there.
    """

    run: str
    because: str
    since: datetime
    where: Mapping[str, str]
    number: int
    mine: bool = field(default=False, compare=False)


class Claims:
    """The claims on one model.

    Every method raises RegistryError where the registry cannot be reached or holds something else in a claim's place.
    """

    def __init__(self, records: Records, model: str, *, limit: timedelta = LIMIT) -> None:
        """Look into a registry's notes.

        Args:
            records: The notes.
            model: The model's name.
            limit: After which a claim counts no more, whatever has become of its run.
        """
        self._records = records
        self._folder = f".claims/{model}"
        self._limit = limit

    def take(self, run: str, because: str, where: Mapping[str, str], is_over: Callable[[Claim], bool]) -> Claim:
        """Claim the model for a run, unless one is under way, and return whichever claim counts then.

        Args:
            run: The run's name.
            because: Why it runs.
            where: What will run it.
            is_over: Says of a claim that was found whether its run has ended.
        """
        note = _Note(id=uuid4().hex, since=_now().isoformat(timespec="seconds"), run=run, because=because, where=where)
        for attempt in range(_ATTEMPTS):
            last = self._last()
            there = self._claim(last)
            if there is not None and not self._is_old(there) and not is_over(there):
                return there
            if self._append(last + 1, note):
                return _claim_of(note, last + 1, mine=True)
            time.sleep(min(_LONGEST_PAUSE, 0.002 * 2 ** min(attempt, 10)))
        raise RegistryError(f"{self._folder}: could not be written to; try again later")

    def release(self, claim: Claim) -> None:
        """Say that a claim's run has ended; where another has taken it over, that one stays."""
        self._append(claim.number + 1, _Note(id=uuid4().hex, since=_now().isoformat(timespec="seconds")))

    def release_run(self, run: str) -> None:
        """Say that the run of that name has ended; where it is not the one under way, nothing is changed."""
        claim = self.current()
        if claim is not None and claim.run == run:
            self.release(claim)

    def current(self) -> Claim | None:
        """Return the claim that counts, however its run may fare; None when there is none."""
        return self._claim(self._last())

    def _last(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        stems = (name.removesuffix(_SUFFIX) for name in self._records.names(self._folder))
        return [int(stem) for stem in stems if stem.isdecimal()]

    def _claim(self, number: int) -> Claim | None:
        content = self._records.read(self._path(number)) if number else None
        if content is None:
            # None yet, or cleared away in this moment: then the number after it is taken, and the next look finds it.
            return None
        try:
            note = _Note.model_validate_json(content)
            return _claim_of(note, number) if note.run else None
        except (ValidationError, ValueError) as err:
            raise RegistryError(f"{self._path(number)} in the registry is no claim of ours; delete it") from err

    def _append(self, number: int, note: _Note) -> bool:
        """Make a note unless its number is taken, and return whether it is the newest."""
        path, content = self._path(number), json.dumps(note.model_dump(mode="json")).encode()
        # Where the answer to a write was lost and it was sent again, what is there is our own.
        if not self._records.create(path, content) and self._records.read(path) != content:
            return False
        numbers = self._numbers()
        if max(numbers) > number:
            # So slow that others have gone on meanwhile, and cleared away the note that had this number.
            self._records.delete(path)
            return False
        for old in numbers:
            if old < number:
                self._records.delete(self._path(old))
        return True

    def _is_old(self, claim: Claim) -> bool:
        return _now() - claim.since > self._limit

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:06d}{_SUFFIX}"


def _claim_of(note: _Note, number: int, *, mine: bool = False) -> Claim:
    return Claim(note.run, note.because, datetime.fromisoformat(note.since), note.where, number, mine)


def _now() -> datetime:
    return datetime.now(UTC)
