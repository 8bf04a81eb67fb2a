# SPDX-License-Identifier: Apache-2.0
"""Parts to put hostile pickles together from: what they do is harmless, such as making a folder."""

import io
import pickle
from typing import Any

import joblib


class Call:
    """Pickled as a call."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self._call = (function, arguments, state)

    def __reduce__(self) -> Any:
        return self._call


def text(value: str) -> bytes:
    return pickle.BINUNICODE + len(value.encode()).to_bytes(4, "little") + value.encode()


def call(name: str, *arguments: bytes) -> bytes:
    """Return the opcodes that call something by its module and name, ``module:name``."""
    module, _, own = name.partition(":")
    return text(module) + text(own) + pickle.STACK_GLOBAL + b"(" + b"".join(arguments) + b"tR"


def with_joblib(model: object, **how: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer, **how)
    return buffer.getvalue()
