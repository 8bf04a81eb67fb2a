# SPDX-License-Identifier: Apache-2.0
"""A model as a joblib file, or as the pickle that a user has: written reproducibly, loaded only as far as was allowed.

A pickle can run any code when it is loaded. So the names of all that a file would import are found first, without
importing any of it, and are compared with the platform's list. What is then loaded are the very bytes that were looked
at, by a machine that asks the same question again at every single import.
"""

import bz2
import functools
import lzma
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO, ClassVar

import numpy as np
from joblib.numpy_pickle import NumpyPickler

from predictors.errors import ArtifactError, PackingError
from predictors.model_files import model_bytes, pickle_streams
from predictors.model_files.model_bytes import describe_error, list_names, read_bytes
from predictors.model_files.pickle_streams import RefusedPickleError

#: Every Python that the platform supports reads and writes it.
_PROTOCOL = 5
_WHY = "a pickle can run any code when it is loaded"
_MAIN = frozenset({"__main__", "__mp_main__"})
_OLD = frozenset({"__builtin__", "_codecs", "copy_reg", "copyreg"})
_MIXED = frozenset({"joblib", "numpy", "pandas", "scipy", "skops", "sklearn"})


def dump_joblib(model: object, path: Path) -> None:
    """Write a model so that ``joblib.load`` can read it; the same fitted model gives the same bytes.

    Raises:
        PackingError: Something in the model cannot be pickled, or not so that another process could load it.
    """
    try:
        with path.open("wb") as file:
            imports = _dump(model, file)
        _refuse_main(imports, PackingError, str(path))
    except PackingError:
        path.unlink(missing_ok=True)
        raise


def imports_of_model(model: object) -> frozenset[str]:
    """Return the full names of all types and functions that a joblib file of the model would import.

    Raises:
        PackingError: Something in the model cannot be pickled.
    """
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (os.devnull is a name, and no path on every system)
        return frozenset(f"{module}.{name}" for module, name in _dump(model, nowhere))


def imports_of(path: Path) -> frozenset[str]:
    """Return the full names of all that loading the file would import; nothing is imported, called or made.

    Raises:
        ArtifactError: The file is missing, empty, truncated, too large or no pickle, or asks for what is never granted.
    """
    return frozenset(f"{module}.{name}" for module, name in _imports_in(_stream_of(path), path))


def untrusted_imports_of(path: Path) -> list[str]:
    """Return those of ``imports_of`` that are not on the platform's list, sorted.

    Raises:
        ArtifactError: As ``imports_of``.
    """
    return sorted(f"{module}.{name}" for module, name in _untrusted(_imports_in(_stream_of(path), path)))


def load_given(path: Path, *, allow_pickle: bool = False, allow_imports: Collection[str] = ()) -> object:
    """Load a file that the user of this very command hands over: no flag where all its imports are on the list.

    Args:
        path: A file written by joblib (compressed with zlib, gzip, bz2, xz or lzma, or not at all) or by pickle.
        allow_pickle: Whether it may import anything besides the platform's list.
        allow_imports: What that may be: packages, modules or full names.

    Raises:
        ArtifactError: The file cannot be read, or would import something that is not allowed; nothing was unpickled.
    """
    stream = _stream_of(path)
    imports = _imports_in(stream, path)
    _check_imports(imports, path, allow_pickle=allow_pickle, allow_imports=allow_imports)
    return _load(stream, path, allow_imports if allow_pickle else ())


def load_packed(path: Path, *, allow_pickle: bool, allow_imports: Collection[str] = ()) -> object:
    """Load a file out of an artifact, which someone else may have packed: never without ``allow_pickle``.

    Args:
        path: The file.
        allow_pickle: Whether pickles are loaded at all.
        allow_imports: What they may import besides the platform's list: packages, modules or full names.

    Raises:
        ArtifactError: The file cannot be read, or asks for something that is not allowed; nothing was unpickled.
    """
    if not allow_pickle:
        raise ArtifactError(f"{path}: it is a pickle, and {_WHY}; if you trust where it is from, pass --allow-pickle")
    return load_given(path, allow_pickle=True, allow_imports=allow_imports)


def _check_imports(
    imports: Iterable[tuple[str, str]], path: Path, *, allow_pickle: bool, allow_imports: Collection[str]
) -> None:
    untrusted = _untrusted(imports)
    _refuse_main(untrusted, ArtifactError, str(path))
    outside = [(module, name) for module, name in untrusted if not _is_under(f"{module}.{name}", allow_imports)]
    if not outside and (allow_pickle or not untrusted):
        return
    names = list_names([f"{module}.{name}" for module, name in outside or untrusted])
    if outside and all(module in _OLD for module, _ in outside):
        raise ArtifactError(
            f"{path}: it was written with one of pickle's protocols 0 to 2, which need {names}; "
            "save it again with joblib.dump(model, path)"
        )
    flags = [] if allow_pickle else ["--allow-pickle"]
    flags += [f"--allow-import {wanted}" for wanted in sorted({_least(module, name) for module, name in outside})]
    raise ArtifactError(
        f"{path}: loading it would import {names}, which the platform's list does not have, and {_WHY}; "
        f"if you trust it, pass {' '.join(flags)}"
    )


def _least(module: str, name: str) -> str:
    """Return what to allow for an import: its package; of packages that can do harm, that one thing."""
    package = module.partition(".")[0]
    return f"{module}.{name}" if package in _MIXED or package in sys.stdlib_module_names else package


def _untrusted(imports: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(found for found in imports if not pickle_streams.is_on_the_list(*found))


def _is_under(name: str, prefixes: Collection[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _refuse_main(
    imports: Iterable[tuple[str, str]], error: type[ArtifactError] | type[PackingError], place: str
) -> None:
    names = sorted(f"{module}.{name}" for module, name in imports if module in _MAIN)
    if names:
        raise error(
            f"{place}: the model uses {list_names(names)}, which stands in the program that saved it, where no server "
            "finds it; move it to a module that is installed where the model is served, and save the model again"
        )


def _imports_in(stream: bytes, path: Path) -> frozenset[tuple[str, str]]:
    try:
        return pickle_streams.imports_in(stream)
    except RefusedPickleError as err:
        raise ArtifactError(f"{path}: it {err}") from err
    except Exception as err:  # a damaged stream can end in any error that Python has
        raise ArtifactError(
            f"{path}: it is damaged, or was not written by joblib or pickle ({describe_error(err)})"
        ) from err


def _load(stream: bytes, path: Path, allow_imports: Collection[str]) -> object:
    try:
        return pickle_streams.load(stream, functools.partial(_is_under, prefixes=allow_imports))
    except RefusedPickleError as err:
        raise ArtifactError(f"{path}: it {err}") from err
    except ImportError as err:
        raise ArtifactError(
            f"{path}: it needs what is not installed here ({err}); install it, or set PYTHONPATH"
        ) from err
    except Exception as err:  # as above; and constructors and __setstate__ may raise what they like
        raise ArtifactError(f"{path}: it cannot be loaded ({describe_error(err)})") from err


def _stream_of(path: Path) -> bytes:
    stream = _decompressed(read_bytes(path), path)
    if len(stream) > model_bytes.MAX_BYTES:
        raise ArtifactError(f"{path}: it holds more than {model_bytes.MAX_BYTES} bytes, which is the limit")
    return stream


def _decompressed(content: bytes, path: Path) -> bytes:
    if content.startswith(b"\x04\x22\x4d\x18"):
        raise ArtifactError(
            f"{path}: it is compressed with lz4; save it again with joblib.dump(model, path, compress=3)"
        )
    makers = [maker for magic, maker in _DECOMPRESSORS.items() if content.startswith(magic)]
    if not makers:
        return content
    expander = makers[0]()
    try:
        stream: bytes = expander.decompress(content, model_bytes.MAX_BYTES + 1)
    except (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error) as err:
        raise ArtifactError(f"{path}: its compression is damaged ({describe_error(err)})") from err
    if len(stream) <= model_bytes.MAX_BYTES and not expander.eof:
        raise ArtifactError(f"{path}: it is truncated")
    return stream


#: By their first bytes, as joblib tells them apart.
_DECOMPRESSORS: dict[bytes, Callable[[], Any]] = {
    b"\x78": zlib.decompressobj,
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lambda: lzma.LZMADecompressor(memlimit=2**28),
    b"\x5d\x00": lambda: lzma.LZMADecompressor(memlimit=2**28),
}


def _dump(model: object, file: BinaryIO) -> frozenset[tuple[str, str]]:
    pickler = _StablePickler(file)
    try:
        pickler.dump(model)
    except Exception as err:  # what a model's own __reduce__ and __getstate__ may raise
        raise PackingError(
            f"the model cannot be saved ({describe_error(err)}); lambdas and functions inside of functions have no "
            "name to be found by: put them into a module that is installed where the model is served"
        ) from err
    return frozenset(pickler.imports)


class _StablePickler(NumpyPickler):  # type: ignore[misc]
    """joblib's pickler, without what differs between two runs: the order of sets, addresses, which equals are one."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(NumpyPickler.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self.imports: set[tuple[str, str]] = set()
        self._equals: dict[object, object] = {}

    def save(self, obj: object) -> None:
        if type(obj) is str or (isinstance(obj, np.dtype) and obj.metadata is None):
            obj = self._equals.setdefault(obj, obj)
        if isinstance(obj, np.memmap):
            obj = np.asarray(obj)
        if type(obj) is not np.ndarray:
            super().save(obj)
        elif obj.dtype.hasobject:
            # joblib would start another pickle inside, which knows nothing of this one.
            pickle._Pickler.save(self, obj)  # type: ignore[attr-defined]
        else:
            super().save(model_bytes.without_padding(obj))

    def reducer_override(self, obj: Any) -> Any:
        if type(obj).__module__ in model_bytes.COUNTING_TREES:
            maker, arguments, state, *rest = obj.__reduce_ex__(_PROTOCOL)
            counters = state[model_bytes.TREE_COUNTERS]
            before, after = state[: model_bytes.TREE_COUNTERS.start], state[model_bytes.TREE_COUNTERS.stop :]
            return (maker, arguments, before + (0,) * len(counters) + after, *rest)
        if "_stop_words_id" in getattr(obj, "__dict__", ()):
            # A vectorizer remembers the address of the stop words it has compared with its tokenizer.
            maker, arguments, state, *rest = obj.__reduce_ex__(_PROTOCOL)
            kept = {key: value for key, value in state.items() if key != "_stop_words_id"}
            return (maker, arguments, kept, *rest)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        own_name = name or getattr(obj, "__qualname__", None) or obj.__name__
        home = model_bytes.module_of_ufunc(obj, own_name)
        self.imports.add((home or pickle.whichmodule(obj, own_name), own_name))  # type: ignore[attr-defined]
        if home is not None:
            self.save(home)
            self.save(own_name)
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def _save_set(self, obj: set[Any] | frozenset[Any]) -> None:
        ordered = sorted(obj, key=lambda item: (type(item).__qualname__, repr(item)))
        self.save_reduce(type(obj), (ordered,), obj=obj)

    dispatch[set] = _save_set
    dispatch[frozenset] = _save_set
    dispatch[FunctionType] = save_global
