# SPDX-License-Identifier: Apache-2.0
"""skops files: the same model gives the same bytes, and nothing is made of a file that is not in order."""

import io
import json
import operator
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from predictors.errors import ArtifactError, PackingError
from predictors.model_files import model_bytes
from predictors.model_files.skops_file import dump_skops, load_skops, skops_untrusted
from tests.predictors.model_files.fitted_models import CLASSES, JOBLIB_MODELS, SKOPS_MODELS, X, answers, fit


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "model.skops"
    dump_skops(fit("columns in a forest")[0], path)
    return path.read_bytes()


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module named ``marker_of_skops`` can be imported; the file returned exists as soon as it was."""
    file = tmp_path / "imported"
    (tmp_path / "marker_of_skops.py").write_text(
        f"import pathlib\npathlib.Path({str(file)!r}).touch()\nclass Thing:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return file


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _node(loader: str, kind: str, **parts: Any) -> dict[str, Any]:
    module, _, name = kind.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": loader, **parts}


def _json(value: object) -> dict[str, Any]:
    return _node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def _tuple(*items: dict[str, Any]) -> dict[str, Any]:
    return _node("TupleNode", "builtins.tuple", content=list(items))


def _write(path: Path, schema: dict[str, Any], **more: bytes) -> Path:
    path.write_bytes(_zip({"schema.json": json.dumps({"protocol": 2, **schema}).encode(), **more}))
    return path


@pytest.mark.parametrize("name", SKOPS_MODELS)
def test_a_model_comes_back_and_answers_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)
    path = tmp_path / "model.skops"

    dump_skops(model, path)

    assert answers(load_skops(path), rows) == answers(model, rows)


@pytest.mark.parametrize("name", SKOPS_MODELS)
def test_a_model_gives_the_same_bytes_again_after_it_has_answered_and_after_it_was_loaded(
    name: str, tmp_path: Path
) -> None:
    model, rows = fit(name)
    first, second, third = (tmp_path / f"{number}.skops" for number in range(3))

    dump_skops(model, first)
    answers(model, rows)
    dump_skops(model, second)
    dump_skops(load_skops(first), third)

    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


@pytest.mark.parametrize("name", SKOPS_MODELS)
def test_a_file_that_skops_itself_wrote_is_read_too(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)
    path = tmp_path / "model.skops"
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)

    assert skops_untrusted(path) == []
    assert answers(load_skops(path), rows) == answers(model, rows)


@pytest.mark.parametrize("name", JOBLIB_MODELS)
def test_a_model_that_skops_would_not_give_back_is_not_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"

    with pytest.raises(PackingError, match="a skops file cannot hold the model"):
        dump_skops(fit(name)[0], path)

    assert not path.exists()


def test_what_is_shared_stays_shared_and_equal_arrays_are_stored_once(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, CLASSES)
    model.first = model.second = np.arange(50.0)
    model.equal = np.arange(50.0)
    path = tmp_path / "model.skops"

    dump_skops(model, path)
    loaded: Any = load_skops(path)

    assert loaded.first is loaded.second
    assert loaded.equal is not loaded.first
    assert len([content for content in _members(path.read_bytes()).values() if len(content) > 400]) == 2


def test_a_mapped_array_becomes_an_ordinary_one(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, CLASSES)
    mapped = np.memmap(tmp_path / "coef", dtype=float, mode="w+", shape=model.coef_.shape)
    mapped[:] = model.coef_
    model.coef_ = mapped

    dump_skops(model, tmp_path / "model.skops")
    loaded: Any = load_skops(tmp_path / "model.skops")

    assert type(loaded.coef_) is np.ndarray
    assert answers(loaded, X) == answers(model, X)


def test_a_type_that_is_not_on_the_list_is_told_when_writing_and_no_file_is_left(tmp_path: Path) -> None:
    model = FunctionTransformer(operator.itemgetter(0)).fit(X)

    assert skops_untrusted(model) == ["operator.itemgetter"]
    with pytest.raises(PackingError, match=r"the platform's list does not have operator\.itemgetter"):
        dump_skops(model, tmp_path / "model.skops")
    assert list(tmp_path.iterdir()) == []


_THING = "marker_of_skops.Thing"
_FOREIGN = {
    "an object": _node("ObjectNode", _THING),
    "a constructor": _node("ConstructorFromReduceNode", _THING, content=_tuple()),
    "a function": _node("FunctionNode", _THING),
    "a type": _node("TypeNode", _THING),
    "the type of a dict": _node(
        "DictNode", _THING, key_types=_node("ListNode", "builtins.list", content=[]), content={}
    ),
    "the type of a key": _node(
        "DictNode",
        "builtins.dict",
        key_types=_node("ListNode", "builtins.list", content=[_node("TypeNode", _THING)]),
        content={"a": _json(1)},
    ),
    "the type of a list": _node("ListNode", _THING, content=[]),
    "the type of a loss": _node("LossNode", _THING, content=_tuple(), __reduce__={"args": _tuple()}),
    "the type of a string": _node("JsonNode", _THING, content="1"),
    "a thing in a list": _node("ListNode", "builtins.list", content=[_json(1), _node("ObjectNode", _THING)]),
    "a thing where skops does not look": {**_json(1), "unknown": {"deep": [_node("ObjectNode", _THING)]}},
}


@pytest.mark.parametrize("schema", _FOREIGN.values(), ids=_FOREIGN)
def test_a_foreign_type_is_refused_wherever_it_stands_and_never_imported(
    schema: dict[str, Any], tmp_path: Path, marker: Path
) -> None:
    path = _write(tmp_path / "model.skops", schema)

    with pytest.raises(ArtifactError, match=rf"{path}: it names marker_of_skops\.Thing, which the platform's list"):
        load_skops(path)

    assert skops_untrusted(path) == [_THING]
    assert "marker_of_skops" not in sys.modules
    assert not marker.exists()


_TRICKS = {
    "a method": _node(
        "MethodNode",
        "sklearn.linear_model._base.LinearRegression",
        content={"func": "set_params", "obj": _node("ObjectNode", "sklearn.linear_model._base.LinearRegression")},
    ),
    "a partial": _node(
        "PartialNode",
        "functools.partial",
        content={"func": _node("FunctionNode", "os.mkdir"), "args": _tuple(), "kwds": _tuple(), "namespace": _tuple()},
    ),
    "an operator": _node("OperatorFuncNode", "operator.methodcaller", attrs=_tuple(_json("tofile"), _json("x"))),
    "getattr": _node("TypeNode", "builtins.getattr"),
    "a function as the generator": _node(
        "RandomGeneratorNode",
        "numpy.random._generator.Generator",
        content={
            "bit_generator": _node(
                "DictNode",
                "builtins.dict",
                key_types=_node("ListNode", "builtins.list", content=[_node("TypeNode", "builtins.str")]),
                content={"bit_generator": _json("seed")},
            ),
            "seed_seq": _tuple(),
        },
    ),
    "an object nobody described": _node("CachedNode", "builtins.list", __id__=7),
    "a loader nobody knows": _node("SystemNode", "builtins.list"),
    "an object without a type": {"__loader__": "ObjectNode"},
    "a type without a name": {"__loader__": "ObjectNode", "__class__": None, "__module__": None},
    "a list of ids": _node("ListNode", "builtins.list", content=[], __id__=[1]),
}


@pytest.mark.parametrize("schema", _TRICKS.values(), ids=_TRICKS)
def test_a_schema_with_a_trick_is_refused(schema: dict[str, Any], tmp_path: Path) -> None:
    path = _write(tmp_path / "model.skops", schema)

    with pytest.raises(ArtifactError, match=f"^{path}: it "):
        load_skops(path)


@pytest.mark.parametrize("protocol", [None, True, 0, 1, 3, -1, "2", 2.0])
def test_another_version_of_the_format_is_refused(protocol: object, tmp_path: Path) -> None:
    path = _write(tmp_path / "model.skops", {**_json(1), "protocol": protocol})

    with pytest.raises(ArtifactError, match="skops' format"):
        load_skops(path)


def test_lists_that_hold_each_other_twice_are_refused_before_anyone_counts_them_out(tmp_path: Path) -> None:
    schema = _json(1)
    for key in range(1, 40):
        again = _node("CachedNode", "builtins.list", __id__=key - 1) if key > 1 else _json(1)
        schema = _node("ListNode", "builtins.list", content=[schema, again], __id__=key)

    with pytest.raises(ArtifactError, match="more than 20000000 objects"):
        load_skops(_write(tmp_path / "model.skops", schema))


@pytest.mark.parametrize("depth", [400, 5000])
def test_lists_too_deep_for_python_are_refused(depth: int, tmp_path: Path) -> None:
    start = '{"__loader__":"ListNode","__module__":"builtins","__class__":"list","protocol":2,"content":['
    path = tmp_path / "model.skops"
    path.write_bytes(_zip({"schema.json": (start * depth + "]}" * depth).encode()}))

    with pytest.raises(ArtifactError, match="RecursionError"):
        load_skops(path)


def test_an_object_described_in_two_ways_is_refused(tmp_path: Path) -> None:
    small, large = (_node("ListNode", "builtins.list", content=[_json(1)] * size, __id__=5) for size in (1, 2))

    with pytest.raises(ArtifactError, match="in two ways"):
        load_skops(_write(tmp_path / "model.skops", _tuple(small, large)))


def _encrypted(content: bytes) -> bytes:
    """Set the flag of encryption of the first member, in its header and in the directory."""
    changed = bytearray(content)
    changed[6] |= 1
    changed[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


_DISORDER: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "it is empty"),
    "no zip": (lambda _: b"just some text", "damaged, or no skops file"),
    "half of it": (lambda good: good[: len(good) // 2], "damaged, or no skops file"),
    "all but the last byte": (lambda good: good[:-1], "damaged, or no skops file"),
    "a changed number": (lambda good: good[:-1500] + bytes([good[-1500] ^ 1]) + good[-1499:], "Bad CRC"),
    "no schema": (lambda good: _zip({n: c for n, c in _members(good).items() if n != "schema.json"}), "damaged"),
    "no json": (lambda good: _zip({**_members(good), "schema.json": b"{"}), "damaged"),
    "a list as schema": (lambda good: _zip({**_members(good), "schema.json": b"[]"}), "damaged"),
    "an extra member": (lambda good: _zip({**_members(good), "extra.npy": b""}), "never mentions: extra.npy"),
    "a missing member": (lambda good: _zip({n: c for n, c in _members(good).items() if n != "0.npy"}), "lacks 0.npy"),
    "a folder above": (lambda good: _zip({**_members(good), "../0.npy": b""}), "a name that skops never gives"),
    "an absolute path": (lambda good: _zip({**_members(good), "/0.npy": b""}), "a name that skops never gives"),
    "a folder": (lambda good: _zip({**_members(good), "a/0.npy": b""}), "a name that skops never gives"),
    "a backslash": (lambda good: _zip({**_members(good), "..\\0.npy": b""}), "a name that skops never gives"),
    "an odd compression": (lambda good: _zip(_members(good), zipfile.ZIP_BZIP2), "compressed in a way"),
    "encryption": (_encrypted, "is encrypted"),
    "a pickled array": (lambda good: _zip({**_members(good), "0.npy": _pickled_array()}), "cannot be loaded"),
}


def _pickled_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([object()]), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(("change", "sentence"), _DISORDER.values(), ids=_DISORDER)
def test_a_file_in_disorder_is_refused(
    change: Callable[[bytes], bytes], sentence: str, good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(change(good))

    with pytest.raises(ArtifactError, match=rf"^{path}: .*{sentence}"):
        load_skops(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_there_twice_is_refused(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(good)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("schema.json", b"{}")

    with pytest.raises(ArtifactError, match=r"the member 'schema\.json' more than once"):
        load_skops(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read: No such file"):
        load_skops(tmp_path / "model.skops")


def test_a_file_that_would_unpack_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_bytes, "MAX_BYTES", 1_000_000)
    path = tmp_path / "model.skops"
    path.write_bytes(_zip({"schema.json": b"{}", "0.npy": bytes(2_000_000)}, zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 10_000

    with pytest.raises(ArtifactError, match="it holds 2000002 bytes, and the limit is 1000000"):
        load_skops(path)


def test_a_sparse_matrix_that_would_unpack_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_bytes, "MAX_BYTES", 1_000_000)
    buffer = io.BytesIO()
    sparse.save_npz(buffer, sparse.csr_matrix(np.ones((1000, 300))))
    schema = _node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="0.npz")
    path = tmp_path / "model.skops"
    path.write_bytes(_zip({"schema.json": json.dumps({**schema, "protocol": 2}).encode(), "0.npz": buffer.getvalue()}))
    assert path.stat().st_size < 100_000

    with pytest.raises(ArtifactError, match=r"it holds \d+ bytes, and the limit is"):
        load_skops(path)


def test_a_file_that_is_itself_over_the_limit_is_not_even_read(
    good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_bytes, "MAX_BYTES", 100)
    path = tmp_path / "model.skops"
    path.write_bytes(good)

    with pytest.raises(ArtifactError, match="more than 100 bytes"):
        load_skops(path)
