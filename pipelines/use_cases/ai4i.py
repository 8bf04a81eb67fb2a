# SPDX-License-Identifier: Apache-2.0
"""The AI4I 2020 data set, itself synthetic, generated anew by its published rules.

The rules: S. Matzka, *Explainable Artificial Intelligence for Predictive Maintenance Applications*, AI4I 2020, and the
data set's page, UCI Machine Learning Repository 601. Where they leave something open or contradict the 10,000 rows
that were published, it says so below.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The five ways to fail, each a boolean column: tool wear, heat dissipation, power, overstrain, random.
FAILURE_MODES: Final = ("twf", "hdf", "pwf", "osf", "rnf")

#: Of each product type: its share of all products, the tool wear (min) that one takes, its overstrain limit (min Nm).
_TYPES: Final = {"L": (0.5, 2, 11_000), "M": (0.3, 3, 12_000), "H": (0.2, 5, 13_000)}

_RPM: Final = 60 / (2 * np.pi)

# "Calculated from a power of 2860 W" cannot mean speed = power / torque: 40 Nm would turn at 683 rpm, the published
# median is 1,503 rpm, and every row would fail for lack of power. The published speeds follow a base speed plus a
# power over torque, up to a highest speed, with normal noise. These are the least-squares fit to them.
_BASE_SPEED: Final = 104.5  # rad/s
_POWER: Final = 2_100.0  # W
_HIGHEST_SPEED: Final = 2_850.0  # rpm
_SPEED_NOISE: Final = 50.0  # rpm

# Of the tools changed, the share that failed first: 46 of 120 in the published rows (51 of 120 in their description).
_TOOLS_FAILING: Final = 46 / 120
_RANDOM_FAILURES: Final = 0.001


def generate(rows: int, seed: int) -> pd.DataFrame:
    """Return that many products, machined one after the other.

    The failures follow from the exact values; the readings are then rounded as published. ``failure`` is true where
    any mode is, as the rules say; the published rows leave out 18 failures that are random only and have 9 of no mode.

    Args:
        rows: How many products; 10,000 in the published data.
        seed: Of numpy's PCG64; the same seed gives the same rows.

    Returns:
        ``product_type`` ("L", "M" or "H"), ``air_temperature`` (K, steps of 0.1), ``process_temperature`` (K, steps of
        0.1), ``rotational_speed`` (rpm, integer), ``torque`` (Nm, steps of 0.1), ``tool_wear`` (min, integer), the
        booleans of ``FAILURE_MODES``, and the boolean ``failure``.
    """
    random = np.random.default_rng(seed)
    types = random.choice(list(_TYPES), size=rows, p=[share for share, _, _ in _TYPES.values()])
    air = 300 + 2 * _random_walk(random, rows)
    process = air + 10 + _random_walk(random, rows)
    torque = np.abs(random.normal(40, 10, size=rows))  # no negative values
    turning = np.minimum(_BASE_SPEED * _RPM + _POWER / torque * _RPM, _HIGHEST_SPEED)
    speed = turning + random.normal(0, _SPEED_NOISE, size=rows)
    wear, twf = _tool_wear(random, np.array([_TYPES[kind][1] for kind in types]))
    power = torque * speed / _RPM
    failures = {
        "twf": twf,
        "hdf": (process - air < 8.6) & (speed < 1380),  # noqa: PLR2004 (the rules' own numbers, K and rpm)
        "pwf": (power < 3500) | (power > 9000),  # noqa: PLR2004 (W)
        "osf": wear * torque > np.array([_TYPES[kind][2] for kind in types]),
        "rnf": random.random(rows) < _RANDOM_FAILURES,
    }
    readings = {
        "product_type": types.astype(object),
        "air_temperature": air.round(1),
        "process_temperature": process.round(1),
        "rotational_speed": speed.round().astype(np.int64),
        "torque": torque.round(1),
        "tool_wear": wear,
    }
    return pd.DataFrame({**readings, **failures, "failure": np.any(list(failures.values()), axis=0)})


def _random_walk(random: np.random.Generator, rows: int) -> Floats:
    """Return a walk of normal steps, brought to mean 0 and standard deviation 1."""
    walk: Floats = np.cumsum(random.standard_normal(rows))
    normalised: Floats = (walk - walk.mean()) / walk.std()
    return normalised


def _tool_wear(random: np.random.Generator, wear_of: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the wear of the tool that each product meets, in minutes, and where the tool fails.

    A tool ends with the product that takes it past a random wear of 200 to 240 minutes: it fails there or is replaced
    in time, and the next product meets a new one.
    """
    wear = np.zeros(len(wear_of), dtype=np.int64)
    failing = np.zeros(len(wear_of), dtype=np.bool_)
    worn, end = 0, random.uniform(200, 240)
    for row, added in enumerate(wear_of.tolist()):
        wear[row] = worn
        worn += added
        if worn > end:
            failing[row] = random.random() < _TOOLS_FAILING
            worn, end = 0, random.uniform(200, 240)
    return wear, failing
