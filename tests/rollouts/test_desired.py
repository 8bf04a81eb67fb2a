# SPDX-License-Identifier: Apache-2.0
"""What a rollout wants of the cluster follows from its status alone."""

from dataclasses import replace

import pytest

from rollouts.desired import Desired, desired
from rollouts.phases import Phase
from rollouts.status import Canary, Former, Status

BEGUN = Status(
    phase=Phase.PROGRESSING,
    step=1,
    traffic=5,
    canary=Canary("v1-1-0", "s3://models/spam/1.1.0/", 1),
    former=Former("s3://models/spam/1.0.0/", 1, 4),
)


def test_a_rollout_that_has_begun_nothing_leaves_the_cluster_as_it_is() -> None:
    assert desired(Status()) == Desired()


def test_a_step_is_a_share_of_the_traffic_and_pins_for_both_versions() -> None:
    wanted = desired(BEGUN)
    assert (wanted.traffic, wanted.canary, wanted.former) == (5, BEGUN.canary, BEGUN.former)
    assert (wanted.stable_version, wanted.canary_version) == ("1.0.0", "1.1.0")


def test_no_request_is_pinned_to_pods_that_are_not_ready_yet_or_do_not_answer_any_more() -> None:
    for phase in (Phase.PENDING, Phase.REVERTING, Phase.PROMOTED):
        wanted = desired(replace(BEGUN, phase=phase))
        assert (wanted.stable_version, wanted.canary_version) == (None, None)


def test_while_the_service_itself_changes_its_pods_are_of_no_one_version() -> None:
    changing = replace(BEGUN, phase=Phase.PROMOTING, storage_uri="s3://models/spam/1.1.0/")
    wanted = desired(changing)
    assert (wanted.stable_version, wanted.canary_version) == (None, "1.1.0")


@pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.REVERTED, Phase.INCONCLUSIVE])
def test_an_ended_rollout_sees_to_the_cluster_until_nothing_of_it_is_left(phase: Phase) -> None:
    ended = replace(BEGUN, phase=phase, canary=None, traffic=0)
    assert desired(ended).touched
    assert desired(replace(ended, released=True)) == Desired()
