# SPDX-License-Identifier: Apache-2.0
"""Sends protocol cases byte by byte as they are meant, and tells what is wrong with an answer."""

import re
import socket
import zlib
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import orjson

from tests.predictors.protocol_cases import Case

#: How a body travels: as it is; with a header that keeps it off the fast path; or in chunks.
Way: TypeAlias = Literal["plain", "encoded", "chunked"]
_OF_PYTHON = re.compile(r"Traceback|\w(Error|Exception)\b|<class|object at|\.py\b|None|\bdict\b|\bnp\.|numpy|\n")
_CHUNK = 700


class Answer(NamedTuple):
    """An answer as it came.

    Attributes:
        status: Its status.
        headers: Its headers, names in lower case.
        body: Its body, unpacked.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The JSON, without raw tensors behind it; None when it is none."""
        length = self.headers.get("inference-header-content-length")
        try:
            return orjson.loads(self.body if length is None else self.body[: int(length)])
        except orjson.JSONDecodeError:
            return None


class Connection:
    """A connection that is kept until it is left."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, content: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(content)

    def last_words(self, content: bytes) -> bytes:
        """Send bytes and no more, and return all that comes until the other side ends the connection too."""
        try:
            self._socket.sendall(content)
            self._socket.shutdown(socket.SHUT_WR)
            return self._file.read()
        except TimeoutError:
            raise
        except OSError:
            # It was refused, and the connection ended, before all of it was read.
            return b""

    def answer(self, method: str = "GET") -> Answer | None:
        """Return the next answer; None when the connection is closed instead."""
        line = self._file.readline()
        if not line:
            return None
        headers = {}
        while text := self._file.readline().strip().decode("latin-1"):
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if method == "HEAD" else self._body(headers)
        if headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, 16 + zlib.MAX_WBITS)
        return Answer(int(line.split()[1]), headers, body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._file.read(int(headers.get("content-length", 0)))
        parts = []
        while size := int(self._file.readline(), 16):
            parts.append(self._file.read(size))
            self._file.readline()
        self._file.readline()
        return b"".join(parts)

    def ask(self, case: Case, way: Way = "plain") -> Answer:
        """Return the answer to a case."""
        self.send(request_bytes(case, way))
        answer = self.answer(case.method)
        if answer is None:
            raise ConnectionError(f"no answer to {case.about}")
        return answer


def request_bytes(case: Case, way: Way = "plain") -> bytes:
    """Return a case as it goes over the wire."""
    headers = {"host": "localhost", **case.headers}
    if case.method == "POST":
        raw = "inference-header-content-length" in headers
        headers.setdefault("content-type", "application/octet-stream" if raw else "application/json")
    if way == "encoded":
        headers.setdefault("content-encoding", "identity")
    if way == "chunked":
        headers["transfer-encoding"] = "chunked"
        parts = [case.body[start : start + _CHUNK] for start in range(0, len(case.body), _CHUNK)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])
    else:
        headers["content-length"] = str(len(case.body))
        body = case.body
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{case.method} {case.path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


def fault(case: Case, answer: Answer) -> str:
    """Return what is wrong with the answer to a case; nothing when it is the right one."""
    if answer.status != case.status:
        return f"status {answer.status} instead of {case.status}"
    wrong = [name for name, value in case.tells.items() if answer.headers.get(name) != value]
    if wrong:
        return f"header {wrong[0]}: {answer.headers.get(wrong[0], 'missing')}"
    if answer.status >= 400:
        return _fault_of_refusal(case, answer.document)
    present = [place for place in case.lacks if look_up(answer.document, place) is not ...]
    if present:
        return f"has {present[0]}"
    for place, value in case.has.items():
        if look_up(answer.document, place) != value:
            return f"{place} is not {orjson.dumps(value).decode()}"
    return ""


def nulls(answer: Answer) -> list[str]:
    """Return the places in an answer's JSON that say null, where the protocol leaves them out."""
    return [place for place, value in _members(answer.document) if value is None]


def look_up(document: Any, place: str) -> Any:
    """Return the value at a place such as ``outputs.0.name``; an ellipsis where there is none."""
    for part in place.split("."):
        try:
            document = document[int(part) if isinstance(document, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            return ...
    return document


def _members(node: Any, place: str = "") -> list[tuple[str, Any]]:
    """Return everything within a document by its place."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    inner = [(f"{place}{name}", value) for name, value in pairs]
    return inner + [found for name, value in inner for found in _members(value, f"{name}.")]


def _fault_of_refusal(case: Case, document: Any) -> str:
    if not isinstance(document, dict) or list(document) != ["error"] or not isinstance(document["error"], str):
        return 'no {"error": sentence}'
    if not document["error"] or _OF_PYTHON.search(document["error"]):
        return f"no plain sentence: {document['error']}"
    return "" if case.says in document["error"] else f"it says: {document['error']}"
