# SPDX-License-Identifier: Apache-2.0
"""How an endpoint's traffic is split once a version more takes part: whole percents that make 100."""

from collections.abc import Mapping
from typing import Final

#: What the version that is being deployed is called in a split.
NEW: Final = "0"
_ALL: Final = 100


def split_with(percent: int, former: Mapping[str, int], new: str = NEW) -> dict[str, int]:
    """Return the split in which the new version gets so many percent, and the others share the rest as before.

    The rest is handed out by largest remainders; of equal ones the larger share comes first, then the smaller id.
    Where nothing had traffic before, the new version takes all of it.

    Args:
        percent: The new version's share, 1 to 100.
        former: The split as it is, percents by the ids of deployed models, 100 together or empty.
        new: The new version's id.

    Returns:
        Percents by ids, 100 together; ids without traffic are left out.
    """
    shares = {name: share for name, share in former.items() if share > 0 and name != new}
    total = sum(shares.values())
    if not total:
        return {new: _ALL}
    rest = _ALL - percent
    split = {name: rest * share // total for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: (-(rest * shares[name] % total), -shares[name], name))
    for name in by_remainder[: rest - sum(split.values())]:
        split[name] += 1
    return {name: share for name, share in {new: percent, **split}.items() if share}
