# SPDX-License-Identifier: Apache-2.0
"""Which app answers: V2's own, or the one that keeps Vertex AI's contract too, imported only where that is asked."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING

from predictors.serving.rest.v2_app import V2App

if TYPE_CHECKING:
    from predictors.vertex.contract import Contract


def app_for(
    contract: "Contract | None", executor: Executor, *, max_body_bytes: int, inline_body_bytes: int
) -> Callable[..., V2App]:
    """Return what makes the outermost ASGI layer; it takes the arguments of ``V2App``.

    Args:
        contract: What Vertex AI asks of the server; None where it is not there.
        executor: Threads for what must not hold the event loop.
        max_body_bytes: The largest body once it is unpacked.
        inline_body_bytes: The largest body that is read on the event loop.
    """
    if contract is None:
        return V2App
    from predictors.vertex.app import VertexApp, VertexPredictions

    predictions = VertexPredictions(executor, max_body_bytes=max_body_bytes, inline_body_bytes=inline_body_bytes)
    return partial(VertexApp, contract=contract, predictions=predictions)
