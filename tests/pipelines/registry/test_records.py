# SPDX-License-Identifier: Apache-2.0
"""What runs note beside the models."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.registry import RegistryError, open_registry

NOTE = ".runs/iris/one.json"


def test_a_note_is_written_read_listed_and_deleted(root: str) -> None:
    registry = open_registry(root)
    records = registry.records
    assert (records.read(NOTE), records.names(".runs")) == (None, set())
    records.write(NOTE, b"1")
    records.write(NOTE, b"2")
    records.write(".claims/iris", b"")
    assert records.read(NOTE) == b"2"
    assert records.names(".runs") == {"iris/one.json"}
    assert records.names(".runs/iris") == {"one.json"}
    assert registry.models() == []
    records.delete(NOTE)
    records.delete(NOTE)
    assert (records.read(NOTE), records.names(".runs/iris")) == (None, set())


def test_a_note_is_created_once(root: str) -> None:
    records = open_registry(root).records
    assert records.create(NOTE, b"first")
    assert not records.create(NOTE, b"second")
    assert records.read(NOTE) == b"first"


def test_of_writers_at_once_one_creates_a_note(root: str) -> None:
    writers = [open_registry(root).records for _ in range(4)]
    start = threading.Barrier(len(writers))

    def create(number: int) -> bool:
        start.wait()
        return writers[number].create(NOTE, str(number).encode())

    with ThreadPoolExecutor(len(writers)) as pool:
        created = list(pool.map(create, range(len(writers))))
    assert sorted(created) == [False, False, False, True]
    assert writers[0].read(NOTE) == str(created.index(True)).encode()


@pytest.mark.parametrize("path", ["iris/1.0.0/artifact.json", ".runs/../iris", ".runs//one", "/tmp/x", "..", ""])
def test_no_note_is_written_elsewhere(path: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("registry")
    with pytest.raises(RegistryError, match="a note's path begins with a dot"):
        open_registry(str(folder)).records.write(path, b"")
    assert list(folder.iterdir()) == []
