# SPDX-License-Identifier: Apache-2.0
"""Whether two answers to one request say the same."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rollouts.shadow.records import Output

#: Floating outputs differ by more than this, relative to the largest value of their row. Another version of a model is
#: fitted anew and never gives the same floats; a change of 1 % is what a user of a score may begin to notice.
FLOAT_TOLERANCE: Final = 1e-2

_LONGEST: Final = 60


def is_comparable(stable: Mapping[str, Output], canary: Mapping[str, Output]) -> bool:
    """Return whether there is an output of the stable version that neither side has redacted."""
    return bool(_shown(stable, canary))


def difference(stable: Mapping[str, Output], canary: Mapping[str, Output]) -> str | None:
    """Return in what an answer of the canary differs from the stable version's, in a few words; None where it does not.

    Outputs of discrete datatypes (all but FP*) must be equal. Where there are any, floating ones are not looked at:
    they are what the others were decided by. Where there are none, floats may differ by ``FLOAT_TOLERANCE``. An output
    that only the canary has is no difference; one that it lacks is. Redacted outputs are left out.
    """
    shown = _shown(stable, canary)
    discrete = {name: output for name, output in shown.items() if not output.datatype.startswith("FP")}
    for name, output in (discrete or shown).items():
        other = canary.get(name)
        if other is None:
            return f"{name} is missing"
        if output.shape != other.shape:
            return f"{name} has the shape {list(other.shape)}, not {list(output.shape)}"
        if not (output.data == other.data if discrete else _is_close(output, other)):
            return f"{name} is {_told(other.data)}, not {_told(output.data)}"
    return None


def _shown(stable: Mapping[str, Output], canary: Mapping[str, Output]) -> dict[str, Output]:
    redacted = {name for name, output in (*stable.items(), *canary.items()) if output.data is None}
    return {name: output for name, output in stable.items() if name not in redacted}


def _is_close(one: Output, other: Output) -> bool:
    # Both are of one shape, and neither is redacted.
    ours, theirs = one.data or (), other.data or ()
    width = max(1, math.prod(one.shape[1:]))
    rows = range(0, len(ours), width)
    return len(ours) == len(theirs) and all(
        _is_close_row(ours[at : at + width], theirs[at : at + width]) for at in rows
    )


def _is_close_row(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Compare one row; NaN and infinite numbers are None in it."""
    scale = max((abs(value) for value in ours if isinstance(value, int | float)), default=0.0)
    return all(
        one == other
        or (
            isinstance(one, int | float)
            and isinstance(other, int | float)
            and abs(one - other) <= FLOAT_TOLERANCE * scale
        )
        for one, other in zip(ours, theirs, strict=True)
    )


def _told(data: Sequence[object] | None) -> str:
    text = str(list(data or ()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
