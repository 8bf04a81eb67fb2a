# SPDX-License-Identifier: Apache-2.0
"""What a rollout has to know of an InferenceService, and which cannot be rolled out."""

from typing import Any

import pytest

from rollouts.actions.choices import choices_of
from rollouts.observation import Service
from tests.rollouts.actions.services import FORMER, entry, inference_service

MODEL = inference_service()["spec"]["predictor"]["model"]


def test_a_service_as_portside_makes_it_can_be_rolled_out() -> None:
    assert choices_of(inference_service(), set()) == Service(FORMER, min_replicas=2, max_replicas=4)


def test_a_named_predictor_is_no_hindrance() -> None:
    assert choices_of(inference_service(name="v1-0-0"), set()).unfit is None


def test_a_canary_of_somebody_else_is_named() -> None:
    service = inference_service(entry(name="theirs"))
    assert choices_of(service, {"v1-1-0", "previous"}).foreign_canary == "theirs"
    assert choices_of(inference_service(entry()), {"v1-1-0", "previous"}).foreign_canary is None


@pytest.mark.parametrize(("value", "logs"), [("-", True), ("/var/log/predictions", False)], ids=["stdout", "a file"])
def test_predictions_count_as_logged_where_they_can_be_read(value: str, logs: bool) -> None:
    model = {**MODEL, "env": [{"name": "PREDICTOR_LOG_PREDICTIONS", "value": value}]}
    assert choices_of(inference_service(model=model), set()).logs_predictions is logs


def test_the_longest_name_leaves_room_for_the_label_of_the_kept_version() -> None:
    service = inference_service()
    service["metadata"]["name"] = "s" * 39
    assert choices_of(service, set()).unfit is None
    assert len(f"isvc.{'s' * 39}-previous-predictor") == 63


@pytest.mark.parametrize(
    ("metadata", "predictor", "unfit"),
    [
        ({"annotations": {"serving.kserve.io/deploymentMode": "Knative"}}, {}, "Standard mode only"),
        ({"labels": {}}, {}, "make it anew with the label networking.kserve.io/visibility"),
        ({"deletionTimestamp": "2026-11-25T08:00:00Z"}, {}, "is being deleted"),
        (
            {"annotations": {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/stop": "true"}},
            {},
            "is stopped",
        ),
        ({}, {"model": {}}, "no predictor.model.storageUri"),
        ({"name": "s" * 40}, {}, "has 40 characters, and its canary's pods a label with its name in it that has no"),
    ],
    ids=["serverless", "routes of KServe", "deleted", "stopped", "no model", "a long name"],
)
def test_a_service_that_cannot_be_rolled_out_says_why(
    metadata: dict[str, Any], predictor: dict[str, Any], unfit: str
) -> None:
    service = inference_service(**predictor)
    service["metadata"] |= metadata
    assert unfit in (choices_of(service, set()).unfit or "")
