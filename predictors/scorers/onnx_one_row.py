# SPDX-License-Identifier: Apache-2.0
"""One row through ONNX Runtime, bound to memory that is taken once: no tensor is made or looked up for a request."""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from predictors.signature import Tensors, TensorSpec


class OneRowRun:
    """Runs a session for requests of one row.

    Whoever finds it in use by another thread is told so, and runs the session in the ordinary way.
    """

    def __init__(
        self,
        session: Any,
        run_options: Any,
        inputs: dict[str, tuple[npt.NDArray[np.generic], tuple[int, ...]]],
        outputs: dict[str, npt.NDArray[np.generic]],
    ) -> None:
        """Bind memory.

        Args:
            session: The ONNX Runtime session.
            run_options: What to run it with.
            inputs: For each input, an array in the model's own shape, and the shape in which requests have it.
            outputs: For each output, an array in the model's own shape.
        """
        # The session's public method asks on every call about graphs captured on a GPU, for longer than the run takes.
        self._run = session._sess.run_with_iobinding
        self._run_options = run_options
        binding = session.io_binding()
        self._binding = binding._iobinding
        self._outputs = outputs
        self._inputs = {}
        for name, (array, shape) in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            self._inputs[name] = array.reshape(shape)  # the same memory, as requests see it
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._free = threading.Lock()

    def score(self, inputs: Tensors) -> dict[str, npt.NDArray[np.generic]] | None:
        """Return the outputs, which are the caller's own; None while another thread scores here.

        Args:
            inputs: The tensors of one row, in the datatypes of the signature.
        """
        if not self._free.acquire(blocking=False):
            return None
        try:
            for name, memory in self._inputs.items():
                memory[:] = inputs[name]
            self._run(self._binding, self._run_options)
            return {name: array.copy() for name, array in self._outputs.items()}
        finally:
            self._free.release()


def one_row_run(
    session: Any,
    run_options: Any,
    inputs: list[tuple[TensorSpec, tuple[int, ...], np.dtype[np.generic]]],
    outputs: list[tuple[TensorSpec, np.dtype[np.generic]]],
) -> OneRowRun | None:
    """Return what runs a session for one row; None where a tensor is text, or has no shape that is known beforehand.

    Args:
        session: The ONNX Runtime session.
        run_options: What to run it with.
        inputs: Each input with its shape for one row, and its dtype, as the model takes it.
        outputs: Each output with its dtype as the model gives it.
    """
    specs = [spec for spec, *_ in inputs] + [spec for spec, _ in outputs]
    if any(spec.datatype == "BYTES" or spec.shape[:1] != (-1,) or -1 in spec.shape[1:] for spec in specs):
        return None
    taken = {spec.name: (np.zeros(shape, dtype), (1, *spec.shape[1:])) for spec, shape, dtype in inputs}
    given = {spec.name: np.zeros((1, *spec.shape[1:]), dtype) for spec, dtype in outputs}
    return OneRowRun(session, run_options, taken, given)
