# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a rollout that its user can mend."""

from cluster.errors import ClusterError


class SpecError(ClusterError):
    """A ModelRollout asks for what cannot be; the text says what is wrong and how to mend it."""
