# SPDX-License-Identifier: Apache-2.0
"""What a container that failed said last: one sentence out of its termination message."""

import json
import re
from typing import Any, Final

#: The class in front of an exception's text, such as ``botocore.exceptions.ClientError: ``.
_CLASS: Final = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Exit): (?=\S+\s)")
_LIMIT: Final = 400


def last_words(message: str) -> str:
    """Return the sentence that says why a container ended; empty where it said nothing.

    Args:
        message: The end of its log as Kubernetes keeps it: JSON lines, of which the last error counts, or text, of
            which the last line counts, as in a Python traceback.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    told = [document for document in map(_document, lines) if document is not None]
    lines = [line for line in lines if not _is_record(line)]
    errors = [document for document in told if document.get("level") in ("error", "critical")]
    if errors or told:
        return in_one_line(str((errors or told)[-1]["message"]))
    return in_one_line(_CLASS.sub("", lines[-1])) if lines else ""


def in_one_line(text: str) -> str:
    """Return a text without line breaks, and not longer than a reader bears."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[: _LIMIT - 3]}..."


def _is_record(line: str) -> bool:
    """Return whether a line is of a prediction log, or the end of one that was cut: its rows are nobody's business."""
    return line.endswith("}") and '":' in line and _document(line) is None


def _document(line: str) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "message" in document else None
