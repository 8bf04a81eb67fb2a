# SPDX-License-Identifier: Apache-2.0
"""Records of a predictor's prediction log, found among all that it writes; ``docs/prediction-log.md`` tells of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Every record has this in its line, and hardly another line does.
_MARK: Final = '"outputs":['


@dataclass(frozen=True, slots=True)
class Output:
    """One tensor of an answer.

    Attributes:
        datatype: As V2 names it.
        shape: Its shape.
        data: Its values, row-major; None where they are redacted.
    """

    datatype: str
    shape: tuple[int, ...]
    data: tuple[object, ...] | None


@dataclass(frozen=True, slots=True)
class Record:
    """One answer.

    Attributes:
        request_id: The id of the request.
        outputs: The tensors of the answer, by name.
        size: How long its line was, in characters.
    """

    request_id: str
    outputs: Mapping[str, Output]
    size: int


def may_be_record(line: str) -> bool:
    """Return whether a line is worth being read: most others are told from records by this alone."""
    return _MARK in line


def read_record(line: str, model: str) -> Record | None:
    """Return the record that a line holds; None where it is another line, another model's, or has no request id.

    Args:
        line: A line of the container's output: a record, a line of the server's own log, or anything else.
        model: The model's name.
    """
    if not may_be_record(line):
        return None
    try:
        document = json.loads(line)
        if document["model"] != model or not document["request_id"]:
            return None
        outputs = {each["name"]: _output(each) for each in document["outputs"]}
        return Record(str(document["request_id"]), outputs, len(line))
    except (ValueError, LookupError, TypeError):
        return None


def _output(told: Mapping[str, Any]) -> Output:
    data = None if told.get("redacted") else tuple(told["data"])
    return Output(told["datatype"], tuple(told["shape"]), data)
