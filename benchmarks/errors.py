# SPDX-License-Identifier: Apache-2.0
"""What ends a run with one sentence."""


class BenchmarkError(Exception):
    """A figure could not be taken: an answer was wrong, or a server or load generator failed."""


class UsageError(BenchmarkError):
    """The run cannot begin as asked; what is missing can be mended by the caller."""
