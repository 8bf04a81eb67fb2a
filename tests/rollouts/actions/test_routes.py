# SPDX-License-Identifier: Apache-2.0
"""A canary in a route's rules, and the rules as the user made them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.actions.routes import Split, problem_of, restored, with_canary
from rollouts.actions.rules import VERSION_HEADER, Backends, leads_to, names_canary, traffic_of

STABLE, CANARY, KEPT = "spam-predictor", "spam-v1-1-0-predictor", "spam-previous-predictor"
BACKENDS = Backends(STABLE, frozenset({CANARY, KEPT}))
PINS = {"1.0.0": STABLE, "1.1.0": CANARY}

Rule = dict[str, Any]


def ref(name: str, weight: int = 100, port: int = 80) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": name, "port": port, "weight": weight}


def rule(*refs: dict[str, Any], **more: Any) -> Rule:
    return {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], **more, "backendRefs": list(refs)}


def weights(rules: list[Rule]) -> list[dict[str, int]]:
    return [{each["name"]: each["weight"] for each in rule["backendRefs"]} for rule in rules]


MATCHES = st.one_of(
    st.builds(
        lambda path, headers: {"path": {"type": "PathPrefix", "value": path}, **headers},
        st.sampled_from(["/", "/v2/models", "/metrics"]),
        st.sampled_from([{}, {"headers": [{"type": "Exact", "name": "x-team", "value": "a"}]}]),
    ),
    st.just({"method": {"type": "Exact", "service": "inference.GRPCInferenceService"}}),
)
FILTERS = st.sampled_from(
    [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "archive", "port": 80}}},
    ]
)
REFS = st.builds(ref, st.sampled_from([STABLE, STABLE, "archive", "spam-x-predictor"]), st.integers(0, 10_000))
RULES = st.lists(
    st.fixed_dictionaries(
        {"backendRefs": st.lists(REFS, min_size=1, max_size=3)},
        optional={
            "matches": st.lists(MATCHES, min_size=1, max_size=2),
            "filters": st.lists(FILTERS, min_size=1, max_size=2),
            "timeouts": st.just({"request": "35s"}),
            "name": st.sampled_from(["one", "two"]),
        },
    ),
    max_size=4,
)
SPLITS = st.builds(
    Split,
    canary=st.sampled_from([CANARY, KEPT]),
    traffic=st.integers(0, 100),
    mirror=st.booleans(),
    pins=st.sampled_from([{}, PINS, {"1.1.0": CANARY}]),
)


@given(RULES, SPLITS)
def test_restored_rules_are_those_of_the_user(rules: list[Rule], split: Split) -> None:
    assert restored(with_canary(rules, BACKENDS, split), BACKENDS) == rules


@given(RULES, SPLITS, SPLITS)
def test_what_was_before_does_not_matter(rules: list[Rule], before: Split, split: Split) -> None:
    first = with_canary(rules, BACKENDS, before)
    assert with_canary(first, BACKENDS, split) == with_canary(rules, BACKENDS, split)


@given(RULES, SPLITS)
def test_shares_of_all_backends_are_kept(rules: list[Rule], split: Split) -> None:
    changed = with_canary(rules, BACKENDS, split)
    for own, shared in zip(rules, changed, strict=False):
        total = sum(each["weight"] for each in own["backendRefs"])
        now = sum(each["weight"] for each in shared["backendRefs"])
        for name in {each["name"] for each in own["backendRefs"]}:
            before = sum(each["weight"] for each in own["backendRefs"] if each["name"] == name)
            after = sum(each["weight"] for each in shared["backendRefs"] if each["name"] == name)
            kept = 100 - split.traffic if name == STABLE else 100
            assert after * total * 100 == before * now * kept


@given(RULES, SPLITS)
def test_the_share_is_told_from_the_rules(rules: list[Rule], split: Split) -> None:
    answering = [
        rule for rule in rules if any(each["name"] == STABLE and each["weight"] for each in rule["backendRefs"])
    ]
    changed = with_canary(answering, BACKENDS, split)
    assert traffic_of(changed, BACKENDS) == (split.traffic if answering else None)
    assert leads_to(changed, STABLE) == bool(answering)


@given(RULES, SPLITS)
def test_rules_of_others_are_left_alone(rules: list[Rule], split: Split) -> None:
    foreign = [rule for rule in rules if not leads_to([rule], STABLE)]
    assert with_canary(foreign, BACKENDS, split) == foreign


def test_the_share_is_in_the_weights() -> None:
    changed = with_canary([rule(ref(STABLE), timeouts={"request": "35s"})], BACKENDS, Split(CANARY, traffic=5))
    assert changed == [rule(ref(STABLE, 95), ref(CANARY, 5), timeouts={"request": "35s"})]


def test_without_traffic_there_is_no_second_backend() -> None:
    rules = [rule(ref(STABLE))]
    assert with_canary(rules, BACKENDS, Split(CANARY)) == rules


def test_weights_that_cannot_be_shared_whole_are_made_larger() -> None:
    changed = with_canary([rule(ref(STABLE, 1), ref("archive", 3))], BACKENDS, Split(CANARY, traffic=25))
    assert weights(changed) == [{CANARY: 25, STABLE: 75, "archive": 300}]


def test_a_version_is_pinned_by_a_rule_with_its_header() -> None:
    matches: list[dict[str, Any]] = [
        {"path": {"type": "PathPrefix", "value": "/v2"}},
        {"headers": [{"name": "x-team", "value": "a"}]},
    ]
    rules = [rule(ref(STABLE), ref("archive"), matches=matches, name="all")]
    first, *pins = with_canary(rules, BACKENDS, Split(CANARY, pins=PINS))
    assert first == rules[0]
    assert weights(pins) == [{STABLE: 100}, {CANARY: 100}]
    header = {"type": "Exact", "name": VERSION_HEADER, "value": "1.1.0"}
    assert pins[1]["matches"] == [
        {**matches[0], "headers": [header]},
        {"headers": [{"name": "x-team", "value": "a"}, header]},
    ]
    assert "name" not in pins[1]


def test_a_rule_without_matches_is_pinned_by_the_header_alone() -> None:
    _, pin = with_canary([{"backendRefs": [ref(STABLE)]}], BACKENDS, Split(CANARY, pins={"1.1.0": CANARY}))
    assert pin["matches"] == [{"headers": [{"type": "Exact", "name": VERSION_HEADER, "value": "1.1.0"}]}]


def test_a_mirror_is_one_filter_more() -> None:
    own = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-a"]}}
    changed = with_canary([rule(ref(STABLE, port=8081), filters=[own])], BACKENDS, Split(CANARY, mirror=True))
    target = {"group": "", "kind": "Service", "name": CANARY, "port": 8081}
    assert changed[0]["filters"] == [own, {"type": "RequestMirror", "requestMirror": {"backendRef": target}}]
    assert names_canary(changed, BACKENDS)


@pytest.mark.parametrize(
    "split",
    [Split(CANARY, traffic=1), Split(CANARY, mirror=True), Split(CANARY, pins={"1.1.0": CANARY})],
    ids=["by its share", "by a mirror", "by a pin"],
)
def test_rules_that_lead_to_a_canary_name_it(split: Split) -> None:
    rules = [rule(ref(STABLE))]
    assert names_canary(with_canary(rules, BACKENDS, split), BACKENDS)
    assert not names_canary(rules, BACKENDS)


def test_rules_that_do_not_agree_have_no_share() -> None:
    rules = [rule(ref(STABLE, 90), ref(CANARY, 10)), rule(ref(STABLE))]
    assert traffic_of(rules, BACKENDS) is None


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([rule(ref("archive"))], "has no rule that leads to spam-predictor"),
        ([rule(ref(STABLE))] * 6, "would have more than 16"),
        ([rule(ref(STABLE))] * 5 + [rule(ref("archive"))] * 2, "would have more than 16"),
        ([rule(ref(STABLE, 10_001))], "has a weight above 10000"),
    ],
    ids=["other backends", "many rules", "many rules of others", "a large weight"],
)
def test_rules_that_cannot_be_shared_are_told(rules: list[Rule], problem: str) -> None:
    assert problem in (problem_of(rules, BACKENDS) or "")


@pytest.mark.parametrize("rules", [[rule(ref(STABLE))] * 5, [rule(ref(STABLE, 1_000_000))]], ids=["rules", "weight"])
def test_the_most_that_can_be_shared_is_no_problem(rules: list[Rule]) -> None:
    assert problem_of(rules, BACKENDS) is None
    assert problem_of(with_canary(rules, BACKENDS, Split(CANARY, 50, pins=PINS)), BACKENDS) is None
