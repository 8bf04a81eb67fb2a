# SPDX-License-Identifier: Apache-2.0
"""What a caller of the load tests can mend."""


class LoadTestError(Exception):
    """A load test cannot be run as asked; the text says what is wrong and how to mend it."""
