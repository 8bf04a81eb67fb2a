# SPDX-License-Identifier: Apache-2.0
"""How a version is deployed, in a user's words; a wrong one is refused before anything is done."""

from pathlib import Path

import pytest

from pipelines.deploying.options import Options
from pipelines.deploying.places import place_of
from pipelines.errors import StepError
from pipelines.registry import open_registry

WRONG = {
    "an unknown option": ({"replica": "2"}, "no option replica of a deployment: there are allow_pickle, "),
    "no pods": ({"replicas": "0"}, "replicas=0 must be MIN or MIN:MAX"),
    "more at least than at most": ({"replicas": "3:1"}, "MAX no less than MIN"),
    "no quantity": ({"memory": "lots"}, "memory=lots must be REQUEST"),
    "more than all": ({"cpu_target": "101"}, "cpu_target=101 must be a number from 1 to 100"),
    "neither yes nor no": ({"force": "maybe"}, "force=maybe must be true or false"),
    "no time": ({"wait": "-1"}, "wait=-1 must be a number of seconds"),
    "an empty text": ({"image": " "}, "must be a text that is not empty"),
    "steps that fall": ({"rollout": "true", "rollout_steps": "50,25"}, "rollout_steps=50,25 must be per cent"),
    "a step that is none": ({"rollout": "true", "rollout_steps": "5,x"}, "rollout_steps=5,x must be per cent"),
    "a step above all": ({"rollout": "true", "rollout_steps": "5,101"}, "rollout_steps=5,101 must be per cent"),
    "no number": ({"rollout": "true", "rollout_min_requests": "few"}, "must be a whole number"),
    "no duration": ({"rollout": "true", "rollout_deadline": "soon"}, "rollout_deadline=soon must be a time"),
    "a rollout's steps without one": ({"rollout_steps": "5,25"}, "add rollout=true"),
    "a rollout's steps with none": ({"rollout": "false", "rollout_steps": "5,25"}, "add rollout=true"),
}


def test_options_are_what_deploy_takes_on_the_command_line() -> None:
    words = {
        "replicas": "1:3",
        "cpu": "200m",
        "memory": "1Gi:2Gi",
        "allow-pickle": "true",
        "wait": "60",
        "force": "true",
    }
    options = Options.of(words)
    amounts = {"cpu": ("200m", "200m"), "memory": ("1Gi", "2Gi")}
    assert options.choices == {"replicas": (1, 3), **amounts, "allow_pickle": True}
    assert (options.wait, options.force) == (60.0, True)


def test_a_rollout_has_its_fields_in_the_words_of_its_spec() -> None:
    words = {"rollout": "true", "rollout-steps": "10, 50", "rollout_min_requests": "50", "rollout_deadline": "1h30m"}
    options = Options.of({**words, "rollout_keep_previous": "10m"})
    assert options.rollout
    assert options.rollout_fields == {
        "steps": [{"traffic": 10}, {"traffic": 50}],
        "minRequests": 50,
        "deadline": "1h30m",
        "keepPrevious": "10m",
    }
    assert options.choices == {}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_refused_with_what_it_may_be(words: dict[str, str], told: str) -> None:
    with pytest.raises(StepError, match=told):
        Options.of(words)


def test_pods_cannot_read_a_folder_of_this_machine(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"which pods cannot read: give the registry as --root s3://BUCKET"):
        place_of("kserve", open_registry(str(tmp_path)), "models", {}, tell=print)


def test_a_place_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="moon: versions are deployed to local, kserve or vertex"):
        place_of("moon", open_registry(str(tmp_path)), "models", {}, tell=print)
