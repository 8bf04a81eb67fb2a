# SPDX-License-Identifier: Apache-2.0
"""The scalers of a Pipeline as plain operations on its rows, each one rounding as scikit-learn's does."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from predictors.linear.document import ScalingStep
from predictors.linear.errors import NotLinearError
from predictors.signature import TensorSpec


def scaling_steps(scalers: Sequence[Any], inputs: tuple[TensorSpec, ...]) -> list[ScalingStep]:
    """Return the operations of fitted scalers on rows of numbers, in their order.

    Args:
        scalers: All steps of the Pipeline before its model.
        inputs: The model's input tensors.

    Raises:
        NotLinearError: A step is none of scikit-learn's scalers, or the rows are not all numbers.
    """
    datatypes = {spec.datatype for spec in inputs}
    if "BYTES" in datatypes:
        raise NotLinearError("it takes texts among its numbers")
    for scaler in scalers:
        if type(scaler) not in _OPERATIONS:
            raise NotLinearError(f"{type(scaler).__name__} is not one of the scalers that a direct scorer computes")
    if scalers and datatypes <= {"FP16", "FP32"}:
        raise NotLinearError("its scaler computes in float32; direct scorers compute in float64")
    return [step for scaler in scalers for step in _OPERATIONS[type(scaler)](scaler)]


def _standard(scaler: Any) -> list[ScalingStep]:
    steps = [_step("subtract", scaler.mean_)] if scaler.with_mean else []
    return [*steps, _step("divide", scaler.scale_)] if scaler.with_std else steps


def _min_max(scaler: Any) -> list[ScalingStep]:
    steps = [_step("multiply", scaler.scale_), _step("add", scaler.min_)]
    return [*steps, _step("clip", scaler.feature_range)] if scaler.clip else steps


def _max_abs(scaler: Any) -> list[ScalingStep]:
    steps = [_step("divide", scaler.scale_)]
    return [*steps, _step("clip", (-1.0, 1.0))] if getattr(scaler, "clip", False) else steps


def _robust(scaler: Any) -> list[ScalingStep]:
    steps = [_step("subtract", scaler.center_)] if scaler.with_centering else []
    return [*steps, _step("divide", scaler.scale_)] if scaler.with_scaling else steps


def _step(operation: str, values: Any) -> ScalingStep:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise NotLinearError("its scaler has numbers that are not finite")
    return ScalingStep.model_validate({"operation": operation, "values": array.tolist()})


_OPERATIONS: Final[dict[type, Callable[[Any], list[ScalingStep]]]] = {
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
}
