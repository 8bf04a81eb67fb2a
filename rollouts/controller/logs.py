# SPDX-License-Identifier: Apache-2.0
"""The controller's log: one JSON object a line, or text for people; never a whole object of the cluster."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

#: Libraries whose news are only worth a line when something is wrong.
_QUIET: Final = ("aiohttp", "asyncio", "kopf", "kubernetes")
#: What is told in a record of theirs: enough for a sentence, too little for an object.
_LONGEST: Final = 500


def set_up_logs(level: str, style: Literal["text", "json"]) -> None:
    """Write what is logged from now on to standard error.

    Args:
        level: The least that is told of the controller: debug, info, warning or error.
        style: How a line looks.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if style == "json" else logging.Formatter(_TEXT))
    handler.addFilter(_shorten)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("rollouts").setLevel(level.upper())
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    # It warns of each connection beyond those that it keeps.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def _shorten(record: logging.LogRecord) -> bool:
    if record.name.partition(".")[0] in _QUIET:
        record.msg, record.args = record.getMessage()[:_LONGEST], None
    return True


class _JsonLines(logging.Formatter):
    """Makes of each record one JSON object: time, level, logger, message, the record's own fields, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(document, default=str).decode()
