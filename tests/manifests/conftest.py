# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.manifests.rendering import PLACES


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Each of the places in turn."""
    name: str = request.param
    return name
