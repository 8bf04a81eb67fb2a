# SPDX-License-Identifier: Apache-2.0
"""What a busy machine may spoil once."""

import pytest

#: A generator that measures wrongly does so each time; one that a busy machine has held up, out of all proportion to
#: what it knows of itself, does not.
measures = pytest.mark.flaky(reruns=2)
