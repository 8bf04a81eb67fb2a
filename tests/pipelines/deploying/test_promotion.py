# SPDX-License-Identifier: Apache-2.0
"""A version becomes champion once it is published, serves and answers right; whatever fails leaves the champion."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.deploying.promotion import promote
from pipelines.errors import StepError
from pipelines.registry import Registry, open_registry
from pipelines.use_cases.use_case import Progress, silent
from predictors.artifact import Artifact
from tests.pipelines.deploying import iris


@dataclass
class Elsewhere:
    """A place outside of this machine, which serves what it is told to unless it cannot.

    Attributes:
        fails: Why it cannot serve.
        serving: The address of what it serves.
        asked: What it was asked to serve, and what to go back to.
    """

    fails: str = ""
    serving: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def is_serving(self, artifact: Artifact, address: str) -> bool:
        return self.serving == address

    def serve(self, artifact: Artifact, address: str, former: str | None) -> str:
        self.asked.append((address, former))
        if self.fails:
            raise StepError(self.fails)
        self.serving = address
        return "elsewhere"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(str(tmp_path / "registry"))


@pytest.fixture
def lines() -> list[str]:
    return []


def bring_in(
    registry: Registry, artifact: Artifact, place: Elsewhere, *, champion: str = "", tell: Progress = silent
) -> None:
    serving = place.serving.rpartition("/")[2] or registry.aliases("iris").champion or ""
    promote(registry, artifact.folder, place, champion=champion, serving=serving, tell=tell)


def test_it_is_published_served_and_then_champion(
    registry: Registry, iris_artifact: Artifact, lines: list[str]
) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place, tell=lines.append)
    address = registry.address("iris", "1.0.0")
    assert place.asked == [(address, None)]
    assert lines == [
        f"published {address}",
        "iris 1.0.0 serves elsewhere; its golden requests are answered right",
        "iris 1.0.0 is the champion",
    ]
    (change,) = registry.aliases("iris").history
    assert (change.alias, change.version, change.reason) == ("champion", "1.0.0", "run iris-1")


def test_a_challenger_may_go_back_to_the_champion_that_it_replaces(
    registry: Registry, iris_artifact: Artifact, iris_challenger: Artifact
) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    bring_in(registry, iris_challenger, place, champion="1.0.0")
    assert place.asked[-1] == (registry.address("iris", "1.1.0"), registry.address("iris", "1.0.0"))
    aliases = registry.aliases("iris")
    assert (aliases.champion, aliases.previous) == ("1.1.0", "1.0.0")


def test_the_same_again_finds_nothing_to_do(registry: Registry, iris_artifact: Artifact, lines: list[str]) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    before = registry.aliases("iris")
    bring_in(registry, iris_artifact, place, tell=lines.append)
    assert lines == ["nothing to do: iris 1.0.0 is published, serves, and is the champion"]
    assert len(place.asked) == 1
    assert registry.aliases("iris") == before


def test_a_champion_that_no_longer_serves_is_served_again(registry: Registry, iris_artifact: Artifact) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    place.serving = ""
    before = registry.aliases("iris")
    bring_in(registry, iris_artifact, place)
    assert place.serving == registry.address("iris", "1.0.0")
    assert registry.aliases("iris") == before


def test_a_version_that_does_not_serve_leaves_the_champion(
    registry: Registry, iris_artifact: Artifact, iris_challenger: Artifact
) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    before = registry.aliases("iris")
    place.fails = "it does not start"
    with pytest.raises(StepError, match="it does not start"):
        bring_in(registry, iris_challenger, place, champion="1.0.0")
    assert registry.aliases("iris") == before


def test_a_run_that_was_interrupted_is_completed_by_the_next(registry: Registry, iris_artifact: Artifact) -> None:
    place = Elsewhere(fails="the run was killed")
    with pytest.raises(StepError, match="the run was killed"):
        bring_in(registry, iris_artifact, place)
    assert (registry.versions("iris"), registry.aliases("iris").champion) == (["1.0.0"], None)
    place.fails = ""
    bring_in(registry, iris_artifact, place)
    assert registry.aliases("iris").champion == "1.0.0"


@pytest.mark.parametrize("how", ["by its alias", "on the cluster", "by both"])
def test_a_version_that_was_taken_back_is_not_deployed_again(
    registry: Registry, iris_artifact: Artifact, iris_challenger: Artifact, how: str, lines: list[str]
) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    bring_in(registry, iris_challenger, place, champion="1.0.0")
    champion, serving = {"by its alias": ("1.0.0", "1.1.0"), "on the cluster": ("1.1.0", "1.0.0")}.get(
        how, ("1.0.0",) * 2
    )
    registry.tag("iris", "champion", champion, reason="complaints")
    place.serving = registry.address("iris", serving)
    before, asked = registry.aliases("iris"), len(place.asked)
    bring_in(registry, iris_challenger, place, champion="1.0.0", tell=lines.append)
    assert lines == ["iris 1.1.0 was champion and was taken back for 1.0.0: it is not deployed again"]
    assert (registry.aliases("iris"), len(place.asked)) == (before, asked)


def test_a_champion_that_has_come_meanwhile_is_not_replaced_unseen(
    registry: Registry, iris_artifact: Artifact, iris_challenger: Artifact
) -> None:
    place = Elsewhere()
    bring_in(registry, iris_artifact, place)
    with pytest.raises(StepError, match=r"compared with no champion, and 1\.0\.0 has come to serve meanwhile"):
        bring_in(registry, iris_challenger, place)
    assert registry.versions("iris") == ["1.0.0"]


def test_a_version_that_exists_with_another_content_is_refused(
    registry: Registry, iris_artifact: Artifact, tmp_path: Path
) -> None:
    other = iris.pack(iris.train(tmp_path / "two", classes=2), "1.0.0", tmp_path / "other")
    registry.publish(other.folder)
    place = Elsewhere()
    with pytest.raises(StepError, match=r"iris/1\.0\.0: this version exists with another content"):
        bring_in(registry, iris_artifact, place)
    assert place.asked == []
