# SPDX-License-Identifier: Apache-2.0
"""The three use cases trained once for the whole session, on their real data."""

import pytest
from hypothesis import HealthCheck, settings

from pipelines.use_cases import TrainedModel, use_case

# Machines are shared and noisy: a test says what must come out, never how soon.
settings.register_profile("portside", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("portside")


@pytest.fixture(scope="session")
def trained_spam() -> TrainedModel:
    return use_case("spam").train()


@pytest.fixture(scope="session")
def trained_maintenance() -> TrainedModel:
    return use_case("maintenance").train()


@pytest.fixture(scope="session")
def trained_recommender() -> TrainedModel:
    return use_case("recommender").train()
