# SPDX-License-Identifier: Apache-2.0
"""How often both versions gave the same answer to the same request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pairs:
    """Counted pairs of answers.

    Attributes:
        compared: How many requests both versions have answered, as far as their logs tell.
        different: How many of them differently.
        example: The request id of one that was answered differently, and how; empty where there is none.
    """

    compared: int = 0
    different: int = 0
    example: str = ""

    def __add__(self, other: "Pairs") -> "Pairs":
        """Return the sums, with the first example there is."""
        return Pairs(self.compared + other.compared, self.different + other.different, self.example or other.example)
