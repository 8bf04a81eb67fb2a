# SPDX-License-Identifier: Apache-2.0
"""Two readers of the streams that joblib and pickle write: one notes what would be imported, the other one loads.

A pickle is a program for a small stack machine. Both readers are that machine as the standard library has it in Python,
with the steps replaced that could do more than put data on the stack. joblib writes an array's raw bytes into the
stream, right after the small object that describes it; both readers step over them in the same way, and never beyond
the end of the stream, whatever sizes it claims.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from importlib import import_module
from inspect import getattr_static
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import numpy as np

from predictors.model_files.trusted_types import is_trusted

_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"
_MAPPED_ARRAY = "numpy.memmap"
_ARRAY_FIELDS = frozenset({"dtype", "numpy_array_alignment_bytes", "order", "shape"})
_DTYPE = re.compile(r"([biufcmMSUVO])(\d{1,18})")
_HAS_OBJECTS = 0x01
_IS_ALIGNED = 0x80


class RefusedPickleError(pickle.UnpicklingError):
    """The stream asks for something that is never granted; the text is a clause that goes after the file's name."""


def imports_in(stream: bytes) -> frozenset[tuple[str, str]]:
    """Return every (module, name) that loading the stream would import; nothing is imported, called or made.

    Raises:
        RefusedPickleError: The stream uses a feature of pickles that no model needs.
        Exception: Of any kind, when the stream is truncated or no pickle at all.
    """
    recorder = _Recorder(stream, io.BytesIO(stream), set())
    recorder.load()
    return frozenset(recorder.imports)


def is_on_the_list(module: str, name: str) -> bool:
    """Whether a pickle may import this without anyone's leave: the platform's list, and what is replaced by ours."""
    full = f"{module}.{name}"
    return full in {_ARRAY, _MAPPED_ARRAY} or is_trusted(full)


def load(stream: bytes, allows: Callable[[str], bool]) -> object:
    """Return the object of the stream.

    Args:
        stream: The bytes, not compressed.
        allows: Whether something of that full name may be imported although it is not on the platform's list. Asked
            again for where it really comes from: what an allowed module has merely imported is not allowed with it.

    Raises:
        RefusedPickleError: Something was not allowed, or is never granted.
        Exception: Of any kind, when the stream is damaged or what it makes cannot be made.
    """
    loaded: object = _Loader(stream, io.BytesIO(stream), allows).load()
    return loaded


class _Reader(pickle._Unpickler):
    """The machine, without out-of-band data, extension codes and persistent ids."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    memo: dict[int, Any]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    stack: list[Any]

    def __init__(self, stream: bytes, file: io.BytesIO) -> None:
        super().__init__(file)
        self._stream = stream
        self._file = file

    def persistent_load(self, pid: Any) -> NoReturn:  # noqa: ARG002 (the base class has it)
        raise RefusedPickleError("refers to an object outside the file (a persistent id), which no model needs")

    def get_extension(self, code: int) -> NoReturn:  # noqa: ARG002 (the base class has it)
        raise RefusedPickleError("uses an extension code of copyreg, which no model needs")

    def _refuse_buffer(self) -> NoReturn:
        raise RefusedPickleError("has its data in other places (out-of-band buffers); save it without them")

    def _load_bytearray8(self) -> None:
        # The standard library makes room for whatever length the stream claims.
        self.stack.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    def _array_bytes(self, fields: dict[str, Any], item_size: int) -> memoryview:
        """Return an array's raw bytes and step over them."""
        if fields.get("numpy_array_alignment_bytes") is not None:
            self._file.seek(self._file.read(1)[0], io.SEEK_CUR)
        shape = fields["shape"]
        if type(shape) is not tuple or not all(type(size) is int and size >= 0 for size in shape):
            raise RefusedPickleError("has an array whose shape is no shape")
        start = self._file.tell()
        end = start + math.prod(shape) * item_size
        if end > len(self._stream):
            raise RefusedPickleError("is truncated: an array goes on beyond the end of the file")
        self._file.seek(end)
        return memoryview(self._stream)[start:end]

    dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray8
    dispatch[pickle.NEXT_BUFFER[0]] = _refuse_buffer
    dispatch[pickle.READONLY_BUFFER[0]] = _refuse_buffer


class _Global:
    """Stands for something that would be imported."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _Made:
    """Stands for what a call would return."""

    __slots__ = ("arguments", "maker", "state")

    def __init__(self, maker: object, arguments: object) -> None:
        self.maker = maker
        self.arguments = arguments
        self.state: object = None

    def is_made_by(self, name: str) -> bool:
        return isinstance(self.maker, _Global) and self.maker.name == name


class _Recorder(_Reader):
    """Goes through a stream without doing any of it. Of dicts, only what describes an array is kept."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Reader.dispatch)
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: bytes, file: io.BytesIO, imports: set[tuple[str, str]]) -> None:
        super().__init__(stream, file)
        self.imports = imports

    def find_class(self, module: str, name: str) -> _Global:
        self.imports.add((module, name))
        return _Global(f"{module}.{name}")

    def _instantiate(self, maker: object, arguments: object) -> None:
        """Of INST and OBJ."""
        self.stack.append(_Made(maker, arguments))

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        self._instantiate(self.stack.pop(), arguments)

    def _load_newobj_ex(self) -> None:
        del self.stack[-1]
        self._load_reduce()

    def _load_build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, _Made):
            return
        if made.is_made_by(_ARRAY):
            self._step_over_array(state)
        elif made.is_made_by("numpy.dtype"):
            made.state = state

    def _step_over_array(self, fields: dict[str, Any]) -> None:
        item_size, has_objects = _item_of(fields["dtype"])
        if has_objects:
            type(self)(self._stream, self._file, self.imports).load()
        else:
            self._array_bytes(fields, item_size)

    def _drop_one(self) -> None:
        self.stack.pop()

    def _drop_marked(self) -> None:
        self.pop_mark()

    def _load_frozenset(self) -> None:
        self.pop_mark()
        self.stack.append(frozenset())

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._keep(items)

    def _load_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._keep([key, value])

    def _load_setitems(self) -> None:
        self._keep(self.pop_mark())

    def _keep(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((key, value) for key, value in pairs if type(key) is str and key in _ARRAY_FIELDS)

    dispatch.update(
        {
            pickle.REDUCE[0]: _load_reduce,
            pickle.NEWOBJ[0]: _load_reduce,
            pickle.NEWOBJ_EX[0]: _load_newobj_ex,
            pickle.BUILD[0]: _load_build,
            pickle.APPEND[0]: _drop_one,
            pickle.APPENDS[0]: _drop_marked,
            pickle.ADDITEMS[0]: _drop_marked,
            pickle.FROZENSET[0]: _load_frozenset,
            pickle.DICT[0]: _load_dict,
            pickle.SETITEM[0]: _load_setitem,
            pickle.SETITEMS[0]: _load_setitems,
        }
    )


def _item_of(dtype: object) -> tuple[int, bool]:
    """Return how many bytes an item of a dtype that was not made takes, and whether it is a Python object."""
    if isinstance(dtype, _Made) and dtype.is_made_by("numpy.dtype"):
        match dtype.arguments:
            case (str() as text, *_) if found := _DTYPE.fullmatch(text):
                kind, size = found[1], int(found[2])
                has_objects = kind == "O" or (kind == "V" and bool(_flags_of(dtype.state) & _HAS_OBJECTS))
                return (size * 4 if kind == "U" else size), has_objects
    raise RefusedPickleError("has an array of a type that cannot be checked without loading it")


def _flags_of(state: object) -> int:
    match state:
        case None:
            return 0
        case (_, _, _, _, _, _, _, int() as flags, *_):
            return flags
    raise RefusedPickleError("has an array whose type is no dtype")


class _ArrayDescription:
    """Takes the place of joblib's class, which reads object arrays with a machine of its own."""


class _Loader(_Reader):
    """Makes the objects of a stream, of approved imports only."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Reader.dispatch)

    def __init__(self, stream: bytes, file: io.BytesIO, allows: Callable[[str], bool]) -> None:
        super().__init__(stream, file)
        self._allows = allows

    def find_class(self, module: str, name: str) -> object:
        full = f"{module}.{name}"
        if full == _ARRAY:
            return _ArrayDescription
        if full == _MAPPED_ARRAY:
            return np.ndarray  # a mapped array is stored like any other; the real class opens and truncates files
        if is_trusted(full):
            # numpy 1 wrote its old names, of which numpy 2 warns.
            return _named(module.replace("numpy.core.", "numpy._core.", 1), name)
        if not self._allows(full):
            raise RefusedPickleError(f"imports {full}, which was not allowed")
        found = _named(module, name)
        origin = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', name)}"
        if isinstance(found, ModuleType) or not (is_trusted(origin) or self._allows(origin)):
            raise RefusedPickleError(f"imports {full}, which is really {origin} and was not allowed")
        return found

    def _load_build(self) -> None:
        state = self.stack.pop()
        instance = self.stack[-1]
        if isinstance(instance, _ArrayDescription):
            self.stack[-1] = self._array(state)
        elif isinstance(instance, np.dtype):
            self._replace(instance, _dtype_of(instance, state))
        elif isinstance(instance, np.ndarray):
            _check_array_state(state)
            instance.__setstate__(state)
        # Looked up without running code: an object half made may have a __getattr__ that does not end.
        elif (
            getattr_static(instance, "__name__", None) is not None
        ):  # a class, function or module is not one model's own
            raise RefusedPickleError(f"changes {instance.__name__} itself")
        else:
            self.stack.append(state)
            super().load_build()  # type: ignore[misc]

    def _array(self, fields: dict[str, Any]) -> object:
        dtype = fields["dtype"]
        if dtype.hasobject:
            return type(self)(self._stream, self._file, self._allows).load()
        array = np.frombuffer(self._array_bytes(fields, dtype.itemsize), dtype=dtype).copy()
        shape = fields["shape"]
        array = array.reshape(shape[::-1]).transpose() if fields["order"] == "F" else array.reshape(shape)
        return array if array.dtype.isnative else array.byteswap().view(array.dtype.newbyteorder("="))

    def _replace(self, old: object, new: object) -> None:
        self.stack[-1] = new
        for index in reversed(self.memo):
            if self.memo[index] is old:
                self.memo[index] = new
                break

    dispatch[pickle.BUILD[0]] = _load_build


def _named(module: str, name: str) -> object:
    found: object = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _check_array_state(state: object) -> None:
    """Refuse fewer values than the shape says: numpy counts bytes, but reads on beyond the end of a list of objects."""
    match state:
        case (_, tuple() as shape, np.dtype() as dtype, _, list() | bytes() as values, *_):
            size = dtype.itemsize if isinstance(values, bytes) else 1
            is_fitting = all(type(length) is int and length >= 0 for length in shape)
            if is_fitting and isinstance(values, list) == dtype.hasobject and len(values) == math.prod(shape) * size:
                return
    raise RefusedPickleError("has an array whose values do not fill its shape")


def _dtype_of(bare: "np.dtype[Any]", state: Any) -> "np.dtype[Any]":
    """Return the dtype that a pickled state describes, made the public way.

    ``dtype.__setstate__`` believes its flags: one that lies about objects turns numbers into pointers.
    """
    _, order, sub, names, fields, size, _, flags, *more = state
    described: np.dtype[Any]
    if names is not None:
        formats, offsets = zip(*(fields[name][:2] for name in names), strict=True)
        layout = {"names": list(names), "formats": list(formats), "offsets": list(offsets), "itemsize": size}
        described = np.dtype(layout, align=bool(flags & _IS_ALIGNED))  # type: ignore[call-overload]
    elif sub is not None:
        described = np.dtype(sub)
    elif bare.kind in "mM":
        unit, number, *_ = more[0][1]
        described = np.dtype(f"{bare.kind}8[{number}{unit.decode()}]").newbyteorder(order)
    else:
        described = bare.newbyteorder(order)
    reduced: Any = described.__reduce__()
    _, *expected = reduced[2]
    if (expected[:5], expected[6]) != ([order, sub, names, fields, size], flags):
        raise RefusedPickleError("has an array whose type is no dtype")
    return described
