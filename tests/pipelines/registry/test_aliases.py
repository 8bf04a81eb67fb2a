# SPDX-License-Identifier: Apache-2.0
"""Names for versions, in a folder and in a bucket: what they name, who may change them, and changes at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from pipelines.registry import Aliases, Registry, RegistryError, UnknownVersionError, open_registry

WRITERS = 4
CHANGES = 2

Result = TypeVar("Result")


def at_once(*calls: Callable[[], Result]) -> list[Result]:
    """Have each call made from a thread of its own, all at the same moment."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], Result]) -> Result:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def refusal(call: Callable[[], object]) -> str | None:
    """Return why a call is refused; None when it is not."""
    try:
        call()
    except RegistryError as err:
        return str(err)
    return None


def test_a_new_champion_makes_the_former_one_previous(filled_anywhere: Registry) -> None:
    assert filled_anywhere.aliases("iris") == Aliases(None, None, {}, ())
    filled_anywhere.tag("iris", "champion", "1.0.0", reason="the first")
    filled_anywhere.tag("iris", "staging", "1.2.0")
    now = filled_anywhere.tag("iris", "champion", "1.10.0", reason="better by 0.02")
    assert (now.champion, now.previous, now.other) == ("1.10.0", "1.0.0", {"staging": "1.2.0"})
    assert [(change.alias, change.version, change.reason) for change in now.history] == [
        ("champion", "1.0.0", "the first"),
        ("staging", "1.2.0", ""),
        ("champion", "1.10.0", "better by 0.02"),
    ]
    assert filled_anywhere.aliases("iris") == now


def test_going_back_to_the_previous_champion_swaps_the_two(filled: Registry) -> None:
    for version in ("1.0.0", "1.2.0", "1.0.0"):
        filled.tag("iris", "champion", version)
    now = filled.aliases("iris")
    assert (now.champion, now.previous) == ("1.0.0", "1.2.0")


def test_tagging_what_is_tagged_already_writes_nothing(filled: Registry) -> None:
    once = filled.tag("iris", "champion", "1.0.0")
    assert filled.tag("iris", "champion", "1.0.0", reason="again") == once


def test_an_alias_is_taken_away_and_others_stay(filled: Registry) -> None:
    filled.tag("iris", "champion", "1.0.0")
    filled.tag("iris", "staging", "1.0.0")
    now = filled.tag("iris", "staging", None)
    assert now.named() == {"champion": "1.0.0"}
    with pytest.raises(RegistryError, match=r"iris has no alias staging \(it has: champion\)"):
        filled.tag("iris", "staging", None)


def test_a_version_is_found_by_its_number_or_alias(filled: Registry) -> None:
    filled.tag("iris", "champion", "1.2.0")
    assert [filled.resolve("iris", text) for text in ("1.10.0", "champion")] == ["1.10.0", "1.2.0"]
    with pytest.raises(UnknownVersionError, match=r"it has: 1.0.0, 1.2.0, 1.10.0 \(aliases: champion\)"):
        filled.resolve("iris", "previous")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        pytest.param(("iris", "champion", "9.9.9"), "iris has no version 9.9.9; it has: 1.0.0, 1.2.0", id="no version"),
        pytest.param(("rose", "champion", "1.0.0"), "has no model rose; it has: iris", id="no model"),
        pytest.param(("iris", "Champion", "1.0.0"), 'the alias "Champion" must be', id="no alias"),
        pytest.param(("../iris", "champion", "1.0.0"), 'the name "../iris" must be', id="no name"),
        pytest.param(("iris", "champion", ".."), 'the version ".." must be', id="no name of a version"),
    ],
)
def test_what_cannot_be_tagged_is_told(filled: Registry, wanted: tuple[str, str, str], sentence: str) -> None:
    assert sentence in str(refusal(lambda: filled.tag(*wanted)))
    assert filled.aliases("iris").history == ()


def test_an_alias_is_never_called_as_a_version_is(packed: Callable[..., Path], tmp_path: Path) -> None:
    found = open_registry(str(tmp_path / "registry"))
    found.publish(packed(tmp_path / "packed", version="latest"))
    assert "iris has a version latest" in str(refusal(lambda: found.tag("iris", "latest", "latest")))


def test_of_changes_made_at_once_none_is_lost(filled_anywhere: Registry) -> None:
    writers = [open_registry(filled_anywhere.root) for _ in range(WRITERS)]

    def tag_several(number: int, writer: Registry) -> None:
        for change in range(CHANGES):
            writer.tag("iris", f"of-{number}", ("1.0.0", "1.2.0")[change % 2], reason=str(change))

    at_once(
        *(lambda number=number, writer=writer: tag_several(number, writer) for number, writer in enumerate(writers))
    )
    now = filled_anywhere.aliases("iris")
    assert now.other == {f"of-{number}": "1.2.0" for number in range(WRITERS)}
    told = {alias: [change.reason for change in now.history if change.alias == alias] for alias in now.other}
    assert told == {alias: [str(change) for change in range(CHANGES)] for alias in now.other}


def test_of_champions_named_at_once_the_last_but_one_is_previous(filled_anywhere: Registry) -> None:
    writers = [(open_registry(filled_anywhere.root), version) for version in ("1.0.0", "1.2.0", "1.10.0")]
    at_once(*(lambda one=one: one[0].tag("iris", "champion", one[1]) for one in writers))
    now = filled_anywhere.aliases("iris")
    order = [change.version for change in now.history]
    assert sorted(map(str, order)) == ["1.0.0", "1.10.0", "1.2.0"]
    assert [now.previous, now.champion] == order[1:]


def test_a_version_is_tagged_or_deleted_but_never_both(filled_anywhere: Registry, versions: list[Path]) -> None:
    tagging, deleting = open_registry(filled_anywhere.root), open_registry(filled_anywhere.root)
    for _ in range(3):
        not_tagged, not_deleted = at_once(
            lambda: refusal(lambda: tagging.tag("iris", "champion", "1.0.0")),
            lambda: refusal(lambda: deleting.delete("iris", "1.0.0")),
        )
        assert (not_tagged is None) != (not_deleted is None), (not_tagged, not_deleted)
        expected = (None, ["1.2.0", "1.10.0"]) if not_tagged else ("1.0.0", ["1.0.0", "1.2.0", "1.10.0"])
        assert (filled_anywhere.aliases("iris").champion, filled_anywhere.versions("iris")) == expected
        _as_before(filled_anywhere, versions[0])


def _as_before(registry: Registry, artifact: Path) -> None:
    """Undo what either of the two has done."""
    if registry.aliases("iris").champion:
        registry.tag("iris", "champion", None)
    else:
        registry.publish(artifact)


def test_an_entry_that_is_none_is_told(versions: list[Path], tmp_path: Path) -> None:
    found = open_registry(str(tmp_path))
    found.publish(versions[0])
    found.tag("iris", "champion", "1.0.0")
    (tmp_path / "iris" / ".aliases" / "000002.json").write_text("{}")
    told = str(refusal(lambda: found.aliases("iris")))
    assert f"{tmp_path}/iris/.aliases/000002.json: not an entry of a log of aliases" in told
