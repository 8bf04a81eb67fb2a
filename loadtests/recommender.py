# SPDX-License-Identifier: Apache-2.0
"""Load on the recommender: users of MovieLens who open the page.

locust -f loadtests/recommender.py --host http://127.0.0.1:8080
"""

from loadtests.payloads.outputs import RECOMMENDER_OUTPUTS
from loadtests.payloads.rows import Rows
from loadtests.payloads.users import users
from loadtests.v2_user import RowsUser


class Recommender(RowsUser):
    """A page that asks what to show its visitors."""

    model = "recommender"
    outputs = RECOMMENDER_OUTPUTS

    @classmethod
    def rows(cls) -> Rows:
        """Return the ids of the users."""
        return users()
