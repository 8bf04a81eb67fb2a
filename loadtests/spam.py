# SPDX-License-Identifier: Apache-2.0
"""Load on the spam filter: real text messages.

locust -f loadtests/spam.py --host http://127.0.0.1:8080
"""

from loadtests.payloads.messages import messages
from loadtests.payloads.outputs import SPAM_OUTPUTS
from loadtests.payloads.rows import Rows
from loadtests.v2_user import RowsUser


class Spam(RowsUser):
    """Someone whose messages are looked at."""

    model = "spam"
    outputs = SPAM_OUTPUTS

    @classmethod
    def rows(cls) -> Rows:
        """Return the messages of the SMS Spam Collection."""
        return messages()
