# SPDX-License-Identifier: Apache-2.0
"""joblib files and pickles: written reproducibly, read whatever wrote them, refused when they are damaged or lie."""

import bz2
import gzip
import lzma
import pickle
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from predictors.errors import ArtifactError, PackingError
from predictors.model_files import model_bytes
from predictors.model_files.pickle_file import (
    dump_joblib,
    imports_of,
    imports_of_model,
    load_given,
    untrusted_imports_of,
)
from tests.predictors.model_files.fitted_models import CLASSES, JOBLIB_MODELS, SKOPS_MODELS, X, answers, fit
from tests.predictors.model_files.pickle_parts import Call

MODELS = (*SKOPS_MODELS, *JOBLIB_MODELS)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "model.joblib"
    dump_joblib(fit("columns in a forest")[0], path)
    return path.read_bytes()


# Writing


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_and_answers_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)
    path = tmp_path / "model.joblib"

    dump_joblib(model, path)

    assert answers(load_given(path), rows) == answers(model, rows)
    assert answers(joblib.load(path), rows) == answers(model, rows)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_the_same_bytes_again_after_it_has_answered(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)
    first, second = tmp_path / "1.joblib", tmp_path / "2.joblib"

    dump_joblib(model, first)
    answers(model, rows)
    dump_joblib(model, second)

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_file_gives_the_same_bytes_however_often_it_is_loaded_and_written(name: str, tmp_path: Path) -> None:
    given, first, second = (tmp_path / f"{number}.joblib" for number in range(3))
    joblib.dump(fit(name)[0], given, compress=3)

    dump_joblib(load_given(given), first)
    dump_joblib(load_given(given), second)

    assert first.read_bytes() == second.read_bytes()


def test_equal_models_give_the_same_bytes_although_their_strings_are_other_objects(tmp_path: Path) -> None:
    one = {"name": "spam filter", "again": "spam filter"}
    other = {"name": "spam filter", "again": "".join(["spam", " ", "filter"])}

    dump_joblib(one, tmp_path / "1.joblib")
    dump_joblib(other, tmp_path / "2.joblib")

    assert (tmp_path / "1.joblib").read_bytes() == (tmp_path / "2.joblib").read_bytes()


def test_a_mapped_array_becomes_an_ordinary_one(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=(3, 2))
    mapped[:] = 1.5

    dump_joblib([mapped], tmp_path / "model.joblib")
    (loaded,) = joblib.load(tmp_path / "model.joblib")

    assert type(loaded) is np.ndarray
    assert "numpy.memmap" not in imports_of(tmp_path / "model.joblib")
    assert (loaded == 1.5).all()


@pytest.mark.parametrize(
    "values",
    [{"b", "a", "c"}, frozenset({1, 2.5, "a"}), set(), {(1, 2), (0, 1)}],
    ids=["texts", "frozen and mixed", "empty", "tuples"],
)
def test_sets_come_back(values: object, tmp_path: Path) -> None:
    dump_joblib(values, tmp_path / "model.joblib")

    assert load_given(tmp_path / "model.joblib") == values


def test_a_lambda_is_refused_with_a_mend_and_no_file_is_left(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda rows: rows), LogisticRegression()).fit(X, CLASSES)

    with pytest.raises(PackingError, match="put them into a module that is installed where the model is served"):
        dump_joblib(model, tmp_path / "model.joblib")
    assert list(tmp_path.iterdir()) == []


def test_a_type_of_the_running_script_is_refused_with_a_mend_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubler:
        pass

    Doubler.__module__, Doubler.__qualname__ = "__main__", "Doubler"
    monkeypatch.setattr(sys.modules["__main__"], "Doubler", Doubler, raising=False)

    with pytest.raises(PackingError, match=r"__main__\.Doubler, which stands in the program.*move it to a module"):
        dump_joblib(Doubler(), tmp_path / "model.joblib")
    assert list(tmp_path.iterdir()) == []


# What users have

_WRITERS: dict[str, Callable[[object, Path], object]] = {
    "joblib": joblib.dump,
    "joblib with zlib": lambda model, path: joblib.dump(model, path, compress=3),
    "joblib with gzip": lambda model, path: joblib.dump(model, path, compress=("gzip", 3)),
    "joblib with bz2": lambda model, path: joblib.dump(model, path, compress=("bz2", 3)),
    "joblib with xz": lambda model, path: joblib.dump(model, path, compress=("xz", 3)),
    "joblib with lzma": lambda model, path: joblib.dump(model, path, compress=("lzma", 3)),
    "joblib, protocol 3": lambda model, path: joblib.dump(model, path, protocol=3),
    "joblib, protocol 5": lambda model, path: joblib.dump(model, path, protocol=5),
    "pickle": lambda model, path: path.write_bytes(pickle.dumps(model)),
    "pickle, protocol 3": lambda model, path: path.write_bytes(pickle.dumps(model, 3)),
    "pickle, protocol 5": lambda model, path: path.write_bytes(pickle.dumps(model, 5)),
    "pickle in gzip": lambda model, path: path.write_bytes(gzip.compress(pickle.dumps(model))),
}


@pytest.mark.parametrize("write", _WRITERS.values(), ids=_WRITERS)
@pytest.mark.parametrize("name", ["columns in a forest", "neighbours in a k-d tree", "grid search", "stacking"])
def test_a_users_file_needs_no_flag_when_all_its_imports_are_on_the_list(
    write: Callable[[object, Path], object], name: str, tmp_path: Path
) -> None:
    model, rows = fit(name)
    path = tmp_path / "MODEL"
    write(model, path)

    assert untrusted_imports_of(path) == []
    assert answers(load_given(path), rows) == answers(model, rows)


_DTYPES = [
    *("f8", ">f8", "f2", "i1", ">i4", "?", "c16", "U7", ">U3", "S5", "O", "M8[ns]", "m8[15s]", "V6", "longdouble"),
    [("a", "f4"), ("b", "O")],
    [("a", "i1"), ("b", ">f8", (2, 2))],
]


@pytest.mark.parametrize("dtype", _DTYPES, ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_come_back_as_joblib_itself_gives_them(dtype: Any, order: Any, protocol: int, tmp_path: Path) -> None:
    array = np.zeros((2, 3), dtype, order=order)
    path = tmp_path / "array.joblib"
    joblib.dump(
        {"array": array, "dtype": array.dtype, "again": [array, array[:0], array[0, 0]]}, path, protocol=protocol
    )

    loaded: Any = load_given(path)
    expected = joblib.load(path)

    assert loaded["dtype"] == array.dtype
    assert loaded["array"].dtype == expected["array"].dtype
    assert loaded["array"].flags.writeable
    assert repr(loaded["array"]) == repr(expected["array"])
    assert repr(loaded["again"]) == repr(expected["again"])


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_file_of_an_old_protocol_is_refused_with_its_own_mend(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(pickle.dumps(fit("ridge")[0], protocol))

    with pytest.raises(ArtifactError, match=r"protocols 0 to 2, .* save it again with joblib\.dump\(model, path\)"):
        load_given(path)


def test_a_file_of_a_mapped_array_loads_without_mapping_anything(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=(3,))
    joblib.dump([mapped], tmp_path / "model.joblib")
    assert "numpy.memmap" in imports_of(tmp_path / "model.joblib")

    loaded: Any = load_given(tmp_path / "model.joblib")

    assert type(loaded[0]) is np.ndarray


def test_the_imports_of_a_file_are_those_of_its_model(tmp_path: Path) -> None:
    model, _ = fit("columns in a forest")
    dump_joblib(model, tmp_path / "model.joblib")

    assert imports_of(tmp_path / "model.joblib") == imports_of_model(model)
    assert {"sklearn.tree._tree.Tree", "sklearn.pipeline.Pipeline", "numpy.dtype"} <= imports_of_model(model)


# Damage


_DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "it is empty"),
    "text": (lambda _: b"just some text", "was not written by joblib or pickle"),
    "half of it": (lambda good: good[: len(good) // 2], "truncated|damaged"),
    "without its end": (lambda good: good[:-1], "damaged"),
    "half of its compression": (lambda good: zlib.compress(good)[:500], "it is truncated"),
    "half of its xz": (lambda good: lzma.compress(good)[:500], "it is truncated"),
    "half of its bz2": (lambda good: bz2.compress(good)[:50], "it is truncated"),
    "damaged compression": (lambda good: b"\x78\x9c" + good[:500], "its compression is damaged"),
    "damaged gzip": (lambda good: b"\x1f\x8b" + good[:500], "its compression is damaged"),
    "damaged xz": (lambda good: b"\xfd7zXZ\x00" + good[:500], "its compression is damaged"),
    "lz4": (
        lambda good: b"\x04\x22\x4d\x18" + good,
        r"lz4; save it again with joblib\.dump\(model, path, compress=3\)",
    ),
    "joblib of before 0.10": (lambda good: b"ZF" + good, "was not written by joblib or pickle"),
}


@pytest.mark.parametrize(("change", "sentence"), _DAMAGED.values(), ids=_DAMAGED)
def test_a_damaged_file_is_refused(
    change: Callable[[bytes], bytes], sentence: str, good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "MODEL.joblib"
    path.write_bytes(change(good))

    with pytest.raises(ArtifactError, match=rf"^{path}: .*({sentence})"):
        load_given(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read: No such file"):
        load_given(tmp_path / "MODEL.joblib")


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_file_that_would_unpack_to_more_than_the_limit_is_refused(
    compress: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_bytes, "MAX_BYTES", 1_000_000)
    path = tmp_path / "MODEL.joblib"
    path.write_bytes(compress(pickle.dumps(bytes(3_000_000))))
    assert path.stat().st_size < 10_000

    with pytest.raises(ArtifactError, match="more than 1000000 bytes"):
        load_given(path)


_LARGE = {
    "a bytearray": b"\x80\x05\x96" + (2**60).to_bytes(8, "little") + b"abc.",
    "bytes": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"abc.",
    "text": b"\x80\x04\x8d" + (2**60).to_bytes(8, "little") + b"abc.",
    "a frame": b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"N",
    "a number": b"I" + b"9" * 100_000 + b"\n.",
}


@pytest.mark.parametrize("stream", _LARGE.values(), ids=_LARGE)
def test_a_stream_that_claims_to_be_huge_is_refused_without_making_room(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(stream)

    with pytest.raises(ArtifactError, match="damaged"):
        load_given(path)


@pytest.mark.parametrize("shape", [(2**40, 3), (-1,), (2**70,), ("3",), (3.0,), [3], 3])
def test_an_array_whose_shape_is_a_lie_is_refused_without_making_room(shape: Any, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.joblib"
    wrapper = joblib.numpy_pickle.NumpyArrayWrapper(np.ndarray, shape, "C", np.dtype("f8"))
    path.write_bytes(pickle.dumps(wrapper, 4)[:-1] + bytes(100) + b".")

    with pytest.raises(ArtifactError, match=r"an array goes on beyond the end|whose shape is no shape"):
        load_given(path)


_DTYPE_LIES = {
    "objects in a number": (3, "<", None, None, None, -1, -1, 63),
    "numbers in an object": (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0),
    "a field beyond the end": (3, "|", None, ("a",), {"a": (np.dtype("f8"), 4)}, 8, 1, 16),
    "another size": (3, "<", None, None, None, 4, 4, 0),
    "no fields": (3, "|", None, ("a",), None, 8, 1, 16),
}


@pytest.mark.parametrize("state", _DTYPE_LIES.values(), ids=_DTYPE_LIES)
def test_a_dtype_that_would_turn_numbers_into_pointers_is_refused(state: tuple[Any, ...], tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    kind = "V8" if state[3] else "f8"
    path.write_bytes(pickle.dumps(Call(np.dtype, kind, False, True, state=state), 4))

    with pytest.raises(ArtifactError, match=r"no dtype|cannot be loaded"):
        load_given(path)


@pytest.mark.parametrize("values", [["a"], ["a"] * 5, b"12345678", None], ids=repr)
def test_an_object_array_of_fewer_objects_than_it_claims_is_refused(values: object, tmp_path: Path) -> None:
    state = (1, (4,), np.dtype("O"), False, values)
    maker = np.array(["a"], dtype=object).__reduce__()[0]
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(pickle.dumps(Call(maker, np.ndarray, (0,), b"b", state=state), 4))

    with pytest.raises(ArtifactError, match="values do not fill its shape"):
        load_given(path)
