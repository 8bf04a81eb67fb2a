# SPDX-License-Identifier: Apache-2.0
"""The one error of this part: its text says what is wrong on the cluster and how to mend it."""


class ClusterError(Exception):
    """A cluster cannot be reached, refuses, or is not as it must be; the text may be shown as it is."""
