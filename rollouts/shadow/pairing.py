# SPDX-License-Identifier: Apache-2.0
"""Answers of both versions to the same request, brought together by its id."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from rollouts.shadow.comparison import difference, is_comparable
from rollouts.shadow.pairs import Pairs
from rollouts.shadow.records import Record

_MOST_IDS: Final = 20_000
#: Of the id in an example, in characters: it is the client's, of any length, and the example stands in the status.
_LONGEST_ID: Final = 200
#: Of lines whose records wait, in characters: answers to thousands of rows are long.
_MOST_CHARACTERS: Final = 32 * 2**20


class _Waiting(NamedTuple):
    is_canary: bool
    record: Record


class Pairing:
    """Keeps what one version has answered until the other one has too.

    An id makes one pair at most. One that comes twice from the same version makes none, for its requests cannot be
    told apart. What has waited longest is forgotten where too much waits.
    """

    def __init__(self, *, most_ids: int = _MOST_IDS, most_characters: int = _MOST_CHARACTERS) -> None:
        """Begin with nothing.

        Args:
            most_ids: How many ids may wait, and of how many is known that they are settled.
            most_characters: How long the lines of those that wait may be, all together.
        """
        self._most_ids = most_ids
        self._most_characters = most_characters
        self._characters = 0
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._settled: OrderedDict[str, None] = OrderedDict()

    def add(self, stable: Iterable[Record], canary: Iterable[Record]) -> Pairs:
        """Take new records of both versions, each in their order, and return the pairs that they complete."""
        found = Pairs()
        for record in stable:
            found += self._take(_Waiting(False, record))
        for record in canary:
            found += self._take(_Waiting(True, record))
        return found

    def _take(self, new: _Waiting) -> Pairs:
        request_id = new.record.request_id
        if request_id in self._settled:
            return Pairs()
        former = self._waiting.pop(request_id, None)
        if former is None:
            self._wait(new)
            return Pairs()
        self._characters -= former.record.size
        self._settle(request_id)
        if former.is_canary is new.is_canary:
            return Pairs()
        stable, canary = (former, new) if new.is_canary else (new, former)
        return _compared(stable.record, canary.record)

    def _wait(self, new: _Waiting) -> None:
        self._waiting[new.record.request_id] = new
        self._characters += new.record.size
        while len(self._waiting) > self._most_ids or self._characters > self._most_characters:
            _, oldest = self._waiting.popitem(last=False)
            self._characters -= oldest.record.size

    def _settle(self, request_id: str) -> None:
        self._settled[request_id] = None
        if len(self._settled) > self._most_ids:
            self._settled.popitem(last=False)


def _compared(stable: Record, canary: Record) -> Pairs:
    if not is_comparable(stable.outputs, canary.outputs):
        return Pairs()
    how = difference(stable.outputs, canary.outputs)
    return Pairs(compared=1) if how is None else Pairs(1, 1, f"{_shortened(stable.request_id)}: {how}")


def _shortened(request_id: str) -> str:
    return request_id if len(request_id) <= _LONGEST_ID else f"{request_id[: _LONGEST_ID - 1]}…"
