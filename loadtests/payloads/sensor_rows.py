# SPDX-License-Identifier: Apache-2.0
"""Readings of machines for predictive maintenance, by the published rules of the AI4I 2020 data set.

The rules: S. Matzka, *Explainable Artificial Intelligence for Predictive Maintenance Applications*, AI4I 2020. The
speeds are the published rows' rather than the rules', which contradict each other: a base speed plus a power over the
torque, up to a highest speed, with normal noise.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from loadtests.payloads.rows import Rows
from loadtests.payloads.tensors import Tensor

_SHARES: Final = {"L": 0.5, "M": 0.3, "H": 0.2}
#: Minutes by which a product of each type wears its tool.
_WEAR: Final = {"L": 2, "M": 3, "H": 5}
_SHORTEST_LIFE, _LONGEST_LIFE = 200.0, 240.0

_RPM_OF_RAD_PER_S: Final = 30 / np.pi
_BASE_SPEED: Final = 104.5 * _RPM_OF_RAD_PER_S
_POWER: Final = 2_100.0 * _RPM_OF_RAD_PER_S  # rpm Nm
_HIGHEST_SPEED: Final = 2_850.0  # rpm


def sensor_rows(count: int = 4_000, seed: int = 0) -> Rows:
    """Return the readings of that many products, machined one after the other.

    Args:
        count: How many, at least 2.
        seed: Of numpy's PCG64; the same seed gives the same rows.

    Returns:
        ``product_type`` BYTES (L, M or H), ``air_temperature`` and ``process_temperature`` FP64 (K),
        ``rotational_speed`` INT64 (rpm), ``torque`` FP64 (Nm), ``tool_wear`` INT64 (min).
    """
    random = np.random.default_rng(seed)
    kinds = random.choice(list(_SHARES), p=list(_SHARES.values()), size=count).tolist()
    air = 300.0 + 2.0 * _walk(random, count)
    process = 10.0 + air + _walk(random, count)
    torque = np.abs(random.normal(40.0, 10.0, count))
    speed = np.minimum(_BASE_SPEED + _POWER / torque, _HIGHEST_SPEED) + random.normal(0.0, 50.0, count)
    wear = _tool_wear(random, np.array([_WEAR[kind] for kind in kinds]))
    columns = {
        "product_type": ("BYTES", kinds),
        "air_temperature": ("FP64", air.round(1).tolist()),
        "process_temperature": ("FP64", process.round(1).tolist()),
        "rotational_speed": ("INT64", speed.round().astype(np.int64).tolist()),
        "torque": ("FP64", torque.round(1).tolist()),
        "tool_wear": ("INT64", wear.tolist()),
    }
    return Rows(tuple(Tensor(name, kind, (count,), tuple(data)) for name, (kind, data) in columns.items()))


def _walk(random: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return a random walk of mean 0 and standard deviation 1."""
    steps = np.cumsum(random.standard_normal(count))
    walk: npt.NDArray[np.float64] = (steps - steps.mean()) / steps.std()
    return walk


def _tool_wear(random: np.random.Generator, added: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how worn the tool of each product is; tools are changed after lives of random length."""
    before = np.cumsum(added) - added
    tools = int(before[-1] / _SHORTEST_LIFE) + 1
    changes = np.cumsum(random.uniform(_SHORTEST_LIFE, _LONGEST_LIFE, tools))
    tool = np.searchsorted(changes, before, side="left")
    first_product = np.searchsorted(tool, tool)
    wear: npt.NDArray[np.int64] = before - before[first_product]
    return wear
