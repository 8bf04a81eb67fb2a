# SPDX-License-Identifier: Apache-2.0
"""One answered prediction, and how it is told: as a line of JSON or as a CloudEvent."""

import re
import uuid
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import orjson

from predictors.datatypes import datatype_of
from predictors.signature import Tensors
from predictors.v2.response import json_data

EVENT_TYPE: Final = "dev.portside.prediction"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Prediction(NamedTuple):
    """A request that was answered.

    Attributes:
        model: The model's name.
        version: Its version.
        request_id: The request's id; None when the client sent none.
        traceparent: The W3C trace context it came with; None when there was none.
        protocol: ``rest``, ``grpc`` or ``v1``.
        time: When it arrived, in seconds since the epoch.
        seconds: How long the answer took.
        inputs: The tensors it brought. They are read later, in another thread: nobody may write to them any more.
        outputs: The tensors of the answer, likewise.
    """

    model: str
    version: str
    request_id: str | None
    traceparent: str | None
    protocol: str
    time: float
    seconds: float
    inputs: Tensors
    outputs: Tensors


def line_of(prediction: Prediction, redact: Container[str]) -> bytes:
    """Return the prediction as one line of JSON, newline included.

    Args:
        prediction: What to tell.
        redact: The names of the tensors whose data stay untold.

    Raises:
        ValueError: A tensor has no V2 datatype.
        TypeError: A value cannot be told in JSON.
    """
    return orjson.dumps(_record(prediction, redact), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def event_of(prediction: Prediction, redact: Container[str]) -> bytes:
    """Return the prediction as a CloudEvent 1.0 in JSON; arguments and errors as of ``line_of``."""
    record = _record(prediction, redact)
    event = {
        "specversion": "1.0",
        # Clients use their request ids again, and consumers take two events of one id for the same event.
        "id": str(uuid.uuid4()),
        "source": f"/v2/models/{quote(prediction.model, safe='')}/versions/{quote(prediction.version, safe='')}",
        "type": EVENT_TYPE,
        "time": record["time"],
        "datacontenttype": "application/json",
    }
    # Both come from the client. One that is no valid attribute stays in the data only: a strict sink would refuse the
    # whole batch for it.
    if prediction.request_id and prediction.request_id.isprintable():
        event["subject"] = prediction.request_id
    if prediction.traceparent and _TRACEPARENT.fullmatch(prediction.traceparent):
        event["traceparent"] = prediction.traceparent
    return orjson.dumps({**event, "data": record}, option=orjson.OPT_SERIALIZE_NUMPY)


def _record(prediction: Prediction, redact: Container[str]) -> dict[str, Any]:
    arrived = datetime.fromtimestamp(prediction.time, UTC).isoformat(timespec="microseconds")
    return {
        "request_id": prediction.request_id,
        "model": prediction.model,
        "version": prediction.version,
        "protocol": prediction.protocol,
        "time": arrived.replace("+00:00", "Z"),
        "seconds": prediction.seconds,
        "traceparent": prediction.traceparent,
        "inputs": [_tensor(name, array, redact) for name, array in prediction.inputs.items()],
        "outputs": [_tensor(name, array, redact) for name, array in prediction.outputs.items()],
    }


def _tensor(name: str, array: npt.NDArray[np.generic], redact: Container[str]) -> dict[str, object]:
    datatype = datatype_of(array.dtype)
    told: dict[str, object] = {"name": name, "datatype": datatype, "shape": array.shape}
    if name in redact:
        told["redacted"] = True
    else:
        told["data"] = [_text(value) for value in array.ravel().tolist()] if datatype == "BYTES" else json_data(array)
    return told


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)
