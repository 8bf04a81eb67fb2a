# SPDX-License-Identifier: Apache-2.0
"""What is remembered of other rollouts."""

from typing import Any

from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Key


def heard(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"inferenceService": "spam"}, "status": status}


def test_the_rollouts_of_a_namespace_are_told_without_what_they_have_measured() -> None:
    neighbours = Neighbours()
    neighbours.hear(Key("models", "a"), heard("a", phase="Progressing", state={"evidence": {}}))
    neighbours.hear(Key("others", "b"), heard("b"))
    assert neighbours.of(Key("models", "c")) == [heard("a", phase="Progressing")]


def test_the_last_word_counts_and_one_that_is_gone_is_not_told() -> None:
    neighbours = Neighbours()
    neighbours.hear(Key("models", "a"), heard("a"))
    neighbours.hear(Key("models", "a"), heard("a", phase="Promoted"))
    assert neighbours.of(Key("models", "a")) == [heard("a", phase="Promoted")]
    neighbours.hear(Key("models", "a"), None)
    assert neighbours.of(Key("models", "a")) == []
