# SPDX-License-Identifier: Apache-2.0
"""What a rollout writes into an InferenceService, and what it leaves alone."""

from typing import Any

import pytest

from rollouts.actions.inference_service import applied, as_canary, merged
from rollouts.desired import Desired
from rollouts.status import Canary, Former
from tests.rollouts.actions.services import FORMER, NEW, ONE, WAS, WRITTEN, entry, inference_service

OURS = {"v1-1-0", "previous"}


def wanted(canary: Canary | None = ONE, former: Former = WAS, **more: Any) -> Desired:
    return Desired(touched=True, canary=canary, former=former, **more)


def test_the_canary_comes_with_room_for_its_pods() -> None:
    document = applied(inference_service(), wanted(traffic=5))
    assert document is not None
    assert document["spec"] == {"canary": [entry(1, 5)], "predictor": {"minReplicas": 3, "maxReplicas": 4}}


def test_the_most_pods_are_raised_where_the_least_would_be_above_them() -> None:
    service = inference_service(maxReplicas=2)
    document = applied(service, wanted(former=Former(FORMER, 2, 2)))
    assert document is not None
    assert document["spec"]["predictor"] == {"minReplicas": 3, "maxReplicas": 3}


def test_a_service_without_most_pods_gets_none() -> None:
    service = inference_service()
    del service["spec"]["predictor"]["maxReplicas"]
    document = applied(service, wanted(former=Former(FORMER, 2, None)))
    assert document is not None
    assert document["spec"]["predictor"] == {"minReplicas": 3}


def test_what_is_there_is_not_applied_again() -> None:
    there = entry(1, 5)
    there["predictor"]["model"]["name"] = ""
    assert applied(inference_service(there, written=WRITTEN, minReplicas=3), wanted(traffic=5)) is None


@pytest.mark.parametrize(
    ("service", "desired"),
    [
        (inference_service(entry(1, 5), written=WRITTEN, minReplicas=3), wanted(traffic=25)),
        (inference_service(entry(2, 5), written=WRITTEN, minReplicas=4), wanted(traffic=5)),
        (inference_service(entry(1, 5), minReplicas=2), wanted(traffic=5)),
        (inference_service(written=WRITTEN, minReplicas=3), wanted(traffic=5)),
        (inference_service(entry(1, 5, name="previous"), written=WRITTEN, minReplicas=3), wanted(traffic=5)),
    ],
    ids=["another share", "other pods", "a manifest applied anew", "an entry taken out", "another canary"],
)
def test_what_is_not_as_wanted_is_applied(service: dict[str, Any], desired: Desired) -> None:
    document = applied(service, desired)
    assert document is not None
    assert document["spec"] == {
        "canary": [entry(1, desired.traffic)],
        "predictor": {"minReplicas": 3, "maxReplicas": 4},
    }


def test_a_number_of_pods_that_somebody_else_has_set_is_theirs() -> None:
    service = inference_service(entry(1, 5), minReplicas=5, maxReplicas=9)
    assert applied(service, wanted(traffic=5)) is None
    document = merged(service, wanted(None), OURS)
    assert document is not None
    assert document["spec"] == {"canary": None}


def test_at_the_end_all_is_as_it_was() -> None:
    document = merged(inference_service(entry(), written=WRITTEN, minReplicas=3), wanted(None), OURS)
    assert document is not None
    assert document["spec"] == {"canary": None, "predictor": {"minReplicas": 2}}
    assert merged(inference_service(), wanted(None), OURS) is None


def test_the_service_is_brought_to_a_version_in_place() -> None:
    service = inference_service(entry(), written=WRITTEN, minReplicas=3)
    document = merged(service, wanted(storage_uri=NEW), OURS)
    assert document is not None
    assert document["spec"] == {"predictor": {"model": {"storageUri": NEW}}}
    service["spec"]["predictor"]["model"]["storageUri"] = NEW
    assert merged(service, wanted(storage_uri=NEW), OURS) is None


def test_a_canary_is_the_service_with_its_own_model() -> None:
    service = inference_service(entry(), minReplicas=3)
    canary = as_canary(service, entry())["spec"]["predictor"]
    stable = service["spec"]["predictor"]
    assert canary["minReplicas"] == 1
    assert canary["name"] == "v1-1-0"
    assert canary["model"] == {**stable["model"], "storageUri": NEW}
    assert canary["serviceAccountName"] == stable["serviceAccountName"]


def test_a_canary_of_somebody_else_stays() -> None:
    assert merged(inference_service(entry(name="theirs")), wanted(None), OURS) is None
