# SPDX-License-Identifier: Apache-2.0
"""Load on predictive maintenance: the sensor readings of products as they are machined.

locust -f loadtests/maintenance.py --host http://127.0.0.1:8080
"""

from loadtests.payloads.outputs import MAINTENANCE_OUTPUTS
from loadtests.payloads.rows import Rows
from loadtests.payloads.sensor_rows import sensor_rows
from loadtests.v2_user import RowsUser


class Maintenance(RowsUser):
    """A machine that asks before it goes on."""

    model = "maintenance"
    outputs = MAINTENANCE_OUTPUTS

    @classmethod
    def rows(cls) -> Rows:
        """Return readings by AI4I 2020's rules."""
        return sensor_rows()
