# SPDX-License-Identifier: Apache-2.0
"""The three use cases trained once for the whole session, on their real data."""

import pytest

from pipelines.use_cases import TrainedModel, use_case


@pytest.fixture(scope="session")
def trained_spam() -> TrainedModel:
    return use_case("spam").train()


@pytest.fixture(scope="session")
def trained_maintenance() -> TrainedModel:
    return use_case("maintenance").train()


@pytest.fixture(scope="session")
def trained_recommender() -> TrainedModel:
    return use_case("recommender").train()
