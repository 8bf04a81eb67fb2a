# SPDX-License-Identifier: Apache-2.0
"""The command line."""


def main() -> None:
    """Run it."""
