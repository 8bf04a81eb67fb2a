# SPDX-License-Identifier: Apache-2.0
"""A known server, requests whose answers are known, and SLO files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from tests.loadtests import programs
from tests.loadtests.programs import KnownServer


@pytest.fixture
def known_server(tmp_path: Path) -> Iterator[Callable[..., KnownServer]]:
    """Start known servers, with the options of theirs, that end with the test."""
    with ExitStack() as stack:

        def start(*options: str) -> KnownServer:
            folder = tmp_path / f"server-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(programs.serving(folder, *options))

        yield start


@pytest.fixture(scope="session")
def known_requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of requests to the model ``known``, single rows and a batch, with their answers."""
    path = tmp_path_factory.mktemp("requests") / "requests.jsonl"
    path.write_bytes(
        b"\n".join(_request(rows) for rows in ([[1.5, 2.0]], [[-3.0, 0.25]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    )
    return path


@pytest.fixture
def slo_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write an SLO file."""

    def write(text: str) -> Path:
        path = tmp_path / f"slo-{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(text)
        return path

    return write


def _request(rows: list[list[float]]) -> bytes:
    shape = [len(rows), len(rows[0])]
    x = {"name": "x", "datatype": "FP64", "shape": shape, "data": [float(value) for row in rows for value in row]}
    y = {"name": "y", "datatype": "FP64", "shape": [len(rows)], "data": [float(sum(row)) for row in rows]}
    return orjson.dumps({"request": {"inputs": [x]}, "outputs": [y]})
