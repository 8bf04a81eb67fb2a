# SPDX-License-Identifier: Apache-2.0
"""The server's log: text for people, or one JSON object a line; never what a request or an answer holds."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

#: Libraries whose news are only worth a line when something is wrong.
_QUIET: Final = ("asyncio", "grpc", "httpx", "kserve", "uvicorn")


def set_up_logs(level: str, style: Literal["text", "json"]) -> None:
    """Write what is logged from now on to standard error.

    Args:
        level: The least that is told of this server: debug, info, warning or error.
        style: How a line looks.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if style == "json" else _Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("predictors").setLevel(level.upper())
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = " ".join(f"{name}={_in_line(value)}" for name, value in _fields(record).items())
        line = super().format(record)
        return f"{line} ({told})" if told else line


class _JsonLines(logging.Formatter):
    """Makes of each record one JSON object: time, level, logger, message, the record's own fields, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(document, default=str).decode()


class UntoldError(Exception):
    """Stands in a log for an error whose own text may repeat what a request held."""


def untold(err: BaseException) -> UntoldError:
    """Return what may be logged of an error and of those behind it: where they were raised, and their types."""
    told = UntoldError(f"{type(err).__module__}.{type(err).__qualname__}").with_traceback(err.__traceback__)
    if err.__cause__ is not None:
        told.__cause__ = untold(err.__cause__)
    elif err.__context__ is not None and not err.__suppress_context__:
        told.__context__ = untold(err.__context__)
    return told


def _in_line(value: object) -> str:
    """Return a value as text within a line: clients choose their ids, and must not write lines of their own."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields
