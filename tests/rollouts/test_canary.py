# SPDX-License-Identifier: Apache-2.0
"""A canary's name is of its version, and short enough for all that KServe makes of it."""

from hypothesis import given
from hypothesis import strategies as st

from rollouts.decision.canary import canary_name

KUBERNETES_LONGEST = 63


@given(
    service=st.from_regex(r"[a-z]([-a-z0-9]{0,37}[a-z0-9])?", fullmatch=True),
    version=st.from_regex(r"[0-9a-z][-+._0-9a-zA-Z]{0,80}", fullmatch=True),
)
def test_whatever_the_names_are_kserves_longest_label_of_a_canary_fits(service: str, version: str) -> None:
    label = f"isvc.{service}-{canary_name(service, version)}-predictor"
    assert len(label) <= KUBERNETES_LONGEST
    assert "--predictor" not in label
