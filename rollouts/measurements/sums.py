# SPDX-License-Identifier: Apache-2.0
"""What one version has counted in a window of time, and how its counts came in bunches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollouts.measurements.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Bunching:
    """Sums over the blocks of time in which a kind of bad requests was counted; they add up, whatever becomes of pods.

    Attributes:
        squares: Of the bad ones of each block: sum x_b^2.
        products: Of those with all of the block: sum x_b n_b.
    """

    squares: int = 0
    products: int = 0

    def with_block(self, bad: int, requests: int) -> "Bunching":
        """Return the sums with one block more, of so many requests and bad ones among them."""
        return Bunching(self.squares + bad * bad, self.products + bad * requests)


@dataclass(frozen=True, slots=True)
class Sums:
    """The counts of one version in a window.

    Attributes:
        counts: What was counted, all pods together.
        blocks: How many looks have found new requests.
        squares: Of the requests of each block: sum n_b^2.
        failed: How failed requests came in bunches.
        slower: How requests slower than a bound did, by the bound in seconds as ``Snapshot.seconds`` has it: at the
            bounds where requests were counted. Between two of them it is as at the lower one: ask ``slower_than``.
    """

    counts: Snapshot = field(default_factory=Snapshot)
    blocks: int = 0
    squares: int = 0
    failed: Bunching = Bunching()
    slower: Mapping[str, Bunching] = field(default_factory=dict)

    def with_block(self, block: Snapshot) -> "Sums":
        """Return the sums with what one look has found, all pods together; one without requests is no block."""
        counts = self.counts + block
        if not block.requests:
            return Sums(counts, self.blocks, self.squares, self.failed, self.slower)
        slower = {}
        former, left = self.slower_than(0.0), sum(block.seconds.values())
        for bound in sorted({*self.slower, *block.seconds} - {"+Inf"}, key=float):
            # At a bound that is new, former blocks are as at the one below.
            former = self.slower.get(bound, former)
            left -= block.seconds.get(bound, 0)
            slower[bound] = former.with_block(left, block.requests)
        return Sums(
            counts=counts,
            blocks=self.blocks + 1,
            squares=self.squares + block.requests**2,
            failed=self.failed.with_block(block.failed, block.requests),
            slower=slower,
        )

    def slower_than(self, bound: float) -> Bunching:
        """Return how requests came in bunches that took longer than a bound of the histogram, in seconds."""
        if math.isinf(bound):
            return Bunching()
        below = [upper for upper in self.slower if float(upper) <= bound]
        # No request was as fast as the lowest bound that is known, so at a lower one all of them were slower.
        return self.slower[max(below, key=float)] if below else Bunching(self.squares, self.squares)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON has it; what is 0 or empty is left out, for it is written every second."""
        document = {
            "counts": self.counts.as_document(),
            "blocks": self.blocks,
            "squares": self.squares,
            "failed": [self.failed.squares, self.failed.products] if self.failed.squares else [],
            "slower": {bound: [each.squares, each.products] for bound, each in self.slower.items()},
        }
        return {name: value for name, value in document.items() if value}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Sums":
        """Return what ``as_document`` has made."""
        return cls(
            counts=Snapshot.of(document.get("counts", {})),
            blocks=document.get("blocks", 0),
            squares=document.get("squares", 0),
            failed=Bunching(*document.get("failed", ())),
            slower={bound: Bunching(*each) for bound, each in document.get("slower", {}).items()},
        )
