# SPDX-License-Identifier: Apache-2.0
"""The rows that the trained models of the session were fitted on, chosen by and tested on: those of seed 0."""

import pandas as pd
import pytest

from pipelines.use_cases import maintenance, recommender, spam
from pipelines.use_cases.use_case import Parts


@pytest.fixture(scope="session")
def messages() -> pd.DataFrame:
    return spam.load()


@pytest.fixture(scope="session")
def message_parts(messages: pd.DataFrame) -> Parts:
    return spam.split(messages, seed=0)


@pytest.fixture(scope="session")
def products() -> pd.DataFrame:
    return maintenance.load()


@pytest.fixture(scope="session")
def product_parts(products: pd.DataFrame) -> Parts:
    return maintenance.split(products, seed=0)


@pytest.fixture(scope="session")
def ratings() -> pd.DataFrame:
    return recommender.load()
