# SPDX-License-Identifier: Apache-2.0
"""Evidence as looks would have counted it."""

from collections.abc import Iterable

from rollouts.measurements.evidence import Evidence
from rollouts.measurements.snapshot import Snapshot
from rollouts.measurements.sums import Sums


def look(
    requests: int,
    *,
    failed: int = 0,
    seconds: dict[str, int] | None = None,
    outputs: dict[str, dict[str, int]] | None = None,
    rows: int | None = None,
) -> Snapshot:
    """Return what a version has counted between two looks; all requests took 4 ms unless told."""
    return Snapshot(
        requests=requests,
        failed=failed,
        rows=requests - failed if rows is None else rows,
        seconds={"0.004": requests} if seconds is None else seconds,
        outputs=outputs or {},
    )


def counted(looks: Iterable[Snapshot]) -> Sums:
    """Return the sums of a number of looks."""
    sums = Sums()
    for each in looks:
        sums = sums.with_block(each)
    return sums


def evidence(canary: Iterable[Snapshot], stable: Iterable[Snapshot] = ()) -> Evidence:
    """Return the evidence of two versions' looks."""
    return Evidence(canary=counted(canary), stable=counted(stable))
