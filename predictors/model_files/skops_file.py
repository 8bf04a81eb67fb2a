# SPDX-License-Identifier: Apache-2.0
"""A model as a skops file: data and names of types, no code; written reproducibly, read only when all types are known.

skops writes a zip: ``schema.json`` is the tree of objects, and each array is a member. Its files carry the time, memory
addresses (as ids and as the names of members) and sets in the order of their hashes. What is written here is the same
tree in one fixed form: ids only where something mutable is shared, numbered as they appear; equal arrays stored once;
sets sorted; no time and no compression, whose bytes differ between builds of zlib. Plain skops files are read too.
"""

import hashlib
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from predictors.errors import ArtifactError, PackingError
from predictors.model_files import model_bytes
from predictors.model_files.model_bytes import describe_error, list_names, read_bytes
from predictors.model_files.trusted_types import is_trusted

#: A file is refused whose objects, the shared ones counted as often as they are used, are more.
MAX_OBJECTS = 20_000_000

#: The version of the format that this module knows how to check and to put in its fixed form.
_PROTOCOL = 2
_SCHEMA = "schema.json"
_MEMBER = re.compile(r"[0-9A-Za-z-]{1,64}\.(npy|npz|bin)")
_IS_ENCRYPTED = 0x01
_NPY_HEADER = 64
_HAS_FIELDS = b"{'descr': ["

#: Whether two of them are one object makes no difference: their ids are dropped.
_IMMUTABLE = frozenset({"BytesNode", "DTypeNode", "FunctionNode", "JsonNode", "SliceNode", "TupleNode", "TypeNode"})

# Typed as far as it is known: a tree of JSON in which every object of the model is a dict with a "__loader__".
_Json: TypeAlias = Any


def dump_skops(model: object, path: Path) -> None:
    """Write a model as a skops file; the same fitted model gives the same bytes.

    Raises:
        PackingError: skops cannot hold something in the model, would not give it back as it was, or the platform's list
            does not have a type of it.
    """
    content = _stable_file(model)
    untrusted = _untrusted(content, "the model")
    if untrusted:
        raise PackingError(
            f"a skops file cannot hold the model: the platform's list does not have {list_names(untrusted)}"
        )
    # skops loses some things silently: a dict's key False comes back as True.
    try:
        is_same = _stable_file(_load(content, "the model")) == content
    except ArtifactError as err:
        raise PackingError(f"a skops file cannot hold the model: {err}") from err
    if not is_same:
        raise PackingError("a skops file cannot hold the model: skops would not give it back as it was")
    path.write_bytes(content)


def load_skops(path: Path) -> object:
    """Return the object in a skops file.

    Raises:
        ArtifactError: The file is missing, damaged, too large or no skops file, or names a type that is not on the
            platform's list; nothing was made of it.
    """
    return _load(read_bytes(path), str(path))


def skops_untrusted(source: object) -> list[str]:
    """Return the types that are not on the platform's list, sorted, of a model or (given a ``Path``) of a skops file.

    Raises:
        PackingError: skops cannot hold something in the model.
        ArtifactError: The file cannot be read.
    """
    if isinstance(source, Path):
        return _untrusted(read_bytes(source), str(source))
    return _untrusted(_dump(source), "the model")


def _load(content: bytes, place: str) -> object:
    names = _names_in(content, place)
    untrusted = sorted(name for name in names if not is_trusted(name))
    if untrusted:
        raise ArtifactError(
            f"{place}: it names {list_names(untrusted)}, which the platform's list of types does not have"
        )
    import skops.io

    try:
        # skops checks the names a second time, and a few that it takes from elsewhere in the file.
        loaded: object = skops.io.loads(content, trusted=sorted(names))
    except Exception as err:  # constructors and __setstate__ may raise what they like
        raise ArtifactError(f"{place}: it cannot be loaded ({describe_error(err)})") from err
    return loaded


def _untrusted(content: bytes, place: str) -> list[str]:
    return sorted(name for name in _names_in(content, place) if not is_trusted(name))


def _names_in(content: bytes, place: str) -> frozenset[str]:
    """Return the types that a file names, once everything about it was found to be in order."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = _checked_schema(archive)
            survey = _Survey()
            survey.count(schema)
            _check_members(archive, survey.files)
    except _DisorderError as err:
        raise ArtifactError(f"{place}: {err}") from err
    except Exception as err:  # a damaged zip or schema can end in many kinds of error
        raise ArtifactError(f"{place}: it is damaged, or no skops file ({describe_error(err)})") from err
    return frozenset(survey.names)


class _DisorderError(Exception):
    """What is wrong with a file, as a clause that goes after its name."""


def _checked_schema(archive: zipfile.ZipFile) -> _Json:
    infos = archive.infolist()
    _check_unpacked(infos, model_bytes.MAX_BYTES)
    for info in infos:
        if info.filename != _SCHEMA and not _MEMBER.fullmatch(info.filename):
            raise _DisorderError(f"it has a member with a name that skops never gives: {info.filename[:200]!r}")
    schema = json.loads(archive.read(_SCHEMA))
    if type(schema.get("protocol")) is not int or schema["protocol"] != _PROTOCOL:
        raise _DisorderError(f"it has skops' format {schema.get('protocol')!r:.20}, and only {_PROTOCOL} is read here")
    return schema


def _check_unpacked(infos: list[zipfile.ZipInfo], limit: int) -> int:
    """Check what an archive says of its members; zipfile never unpacks more than that. Return their size together."""
    names = Counter(info.filename for info in infos)
    if len(names) != len(infos):
        raise _DisorderError(f"it has the member {names.most_common(1)[0][0][:200]!r} more than once")
    for info in infos:
        if info.flag_bits & _IS_ENCRYPTED:
            raise _DisorderError(f"its member {info.filename[:200]!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _DisorderError(f"its member {info.filename[:200]!r} is compressed in a way that skops never uses")
    size = sum(info.file_size for info in infos)
    if size > limit:
        raise _DisorderError(f"it holds {size} bytes, and the limit is {limit}")
    return size


def _check_members(archive: zipfile.ZipFile, referenced: Collection[str]) -> None:
    names = {info.filename for info in archive.infolist()} - {_SCHEMA}
    if strange := sorted(names - set(referenced)):
        raise _DisorderError(f"it has a member that its schema never mentions: {strange[0]}")
    if missing := sorted(set(referenced) - names):
        raise _DisorderError(f"it lacks {missing[0]}, which its schema mentions")
    room = model_bytes.MAX_BYTES - sum(info.file_size for info in archive.infolist())
    for name in sorted(names):
        if name.endswith(".npz"):  # a zip inside of the zip
            with zipfile.ZipFile(io.BytesIO(archive.read(name))) as inner:
                room -= _check_unpacked(inner.infolist(), room)


def _is_object(value: _Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("__loader__"), str)


class _Survey:
    """Goes through a schema once: the types it names, the members it mentions, how many objects it describes.

    The number counts a shared object each time, since skops' own check does: a few lists that hold each other twice
    would keep it busy for years.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.files: set[str] = set()
        self._sizes: dict[int, int] = {}

    def count(self, value: _Json) -> int:
        if isinstance(value, list):
            return sum(map(self.count, value))
        if not isinstance(value, dict):
            return 0
        if not _is_object(value):
            return sum(map(self.count, value.values()))
        self.names.add(f"{value['__module__']}.{value['__class__']}")
        if isinstance(value.get("file"), str):
            self.files.add(value["file"])
        return self._count_object(value)

    def _count_object(self, value: dict[str, _Json]) -> int:
        key = value.get("__id__")
        if value["__loader__"] == "CachedNode":
            if key not in self._sizes:
                raise _DisorderError(f"it refers to an object {key!r:.40} that it has not described before")
            return self._sizes[key]
        size = 1 + sum(map(self.count, _children(value)))
        if size > MAX_OBJECTS:
            raise _DisorderError(f"it describes more than {MAX_OBJECTS} objects, which is the limit")
        if key is not None and self._sizes.setdefault(key, size) != size:
            raise _DisorderError(f"it describes the object {key!r:.40} in two ways")
        return size


def _children(value: dict[str, _Json]) -> Iterator[_Json]:
    """Yield what an object holds in the order in which skops loads it."""
    return (value[key] for key in sorted(value, key=lambda key: key == "__reduce__"))


def _dump(model: object) -> bytes:
    import skops.io

    try:
        content: bytes = skops.io.dumps(model)
    except Exception as err:  # what a model's own __reduce__ and __getstate__ may raise
        raise PackingError(f"a skops file cannot hold the model ({describe_error(err)})") from err
    return content


def _stable_file(model: object) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_dump(model))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        members = {name: _stable_member(name, archive.read(name)) for name in archive.namelist() if name != _SCHEMA}
    form = _StableForm(schema, members)
    stable = form.of(schema)
    text = json.dumps(stable, separators=(",", ":")).encode()
    return _zip([(_SCHEMA, text), *((name, members[old]) for name, old in form.names.items())])


def _stable_member(name: str, content: bytes) -> bytes:
    if name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            return _zip((part, inner.read(part)) for part in inner.namelist())
    if name.endswith(".npy") and _HAS_FIELDS in content[:_NPY_HEADER]:
        buffer = io.BytesIO()
        np.save(buffer, model_bytes.without_padding(np.load(io.BytesIO(content))), allow_pickle=False)
        return buffer.getvalue()
    return content


def _zip(members: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)  # its date is always 1 January 1980
            info.create_system = 3
            info.external_attr = 0o600 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


class _StableForm:
    """Rewrites a schema of skops; see the top of this module."""

    def __init__(self, schema: _Json, members: dict[str, bytes]) -> None:
        self.names: dict[str, str] = {}  # new name of a member: one of its old names
        self._digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
        self._new_names: dict[str, str] = {}
        self._uses = Counter(_ids_in(schema, set()))
        self._new_ids: dict[int, int] = {}

    def of(self, value: _Json) -> _Json:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if not isinstance(value, dict):
            return value
        if not _is_object(value):
            return {key: self.of(item) for key, item in value.items()}
        return self._of_object(value)

    def _of_object(self, value: dict[str, _Json]) -> dict[str, _Json]:
        value = dict(value)
        old_id = value.pop("__id__", None)
        key: dict[str, int] = {}
        if not _is_immutable(value) and self._uses[old_id] > 1:
            if old_id in self._new_ids:
                cached = {name: value[name] for name in ("__class__", "__module__")}
                return {**cached, "__loader__": "CachedNode", "__id__": self._new_ids[old_id]}
            # From 1: skops takes 0 for none.
            key = {"__id__": self._new_ids.setdefault(old_id, len(self._new_ids) + 1)}
        self._simplify(value)
        if isinstance(value.get("file"), str):
            value["file"] = self._new_name(value["file"])
        ordered = sorted(value, key=lambda name: name == "__reduce__")
        return {**{name: self.of(value[name]) for name in ordered}, **key}

    def _simplify(self, value: dict[str, _Json]) -> None:
        kind: str = value["__loader__"]
        content: _Json = value.get("content")
        if kind == "SetNode":
            value["content"] = self._sorted(content)
        elif kind == "ConstructorFromReduceNode" and value["__class__"] == "frozenset":
            (items,) = content["content"]
            value["content"] = {**content, "content": [{**items, "content": self._sorted(items["content"])}]}
        elif kind == "DictNode" and "_stop_words_id" in content:
            # A vectorizer remembers the address of the stop words it has compared with its tokenizer.
            place = list(content).index("_stop_words_id")
            types = value["key_types"]
            value["content"] = {name: item for name, item in content.items() if name != "_stop_words_id"}
            value["key_types"] = {**types, "content": types["content"][:place] + types["content"][place + 1 :]}
        elif kind == "ObjectNode" and value["__module__"] in model_bytes.COUNTING_TREES:
            items = list(content["content"])
            counters = model_bytes.TREE_COUNTERS
            items[counters] = [{**item, "content": "0"} for item in items[counters]]
            value["content"] = {**content, "content": items}
        elif kind == "NdArrayNode" and value["__class__"] == "memmap":
            value["__class__"] = "ndarray"
        elif kind == "FunctionNode":
            found = getattr(sys.modules.get(value["__module__"]), value["__class__"], None)
            value["__module__"] = model_bytes.module_of_ufunc(found, value["__class__"]) or value["__module__"]

    def _sorted(self, items: list[_Json]) -> list[_Json]:
        return sorted(items, key=lambda item: json.dumps(self._without_addresses(item), sort_keys=True))

    def _without_addresses(self, value: _Json) -> _Json:
        if isinstance(value, list):
            return [self._without_addresses(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: self._without_addresses(item) for key, item in value.items() if key != "__id__"}
        if isinstance(kept.get("file"), str):
            kept["file"] = self._digests[kept["file"]]
        return kept

    def _new_name(self, old: str) -> str:
        digest = self._digests[old]
        if digest not in self._new_names:
            self._new_names[digest] = f"{len(self._new_names)}{Path(old).suffix}"
            self.names[self._new_names[digest]] = old
        return self._new_names[digest]


def _is_immutable(value: dict[str, _Json]) -> bool:
    is_scalar = value["__loader__"] == "NdArrayNode" and value["__class__"] not in ("ndarray", "matrix", "memmap")
    return value["__loader__"] in _IMMUTABLE or is_scalar


def _ids_in(value: _Json, seen: set[int]) -> Iterator[int]:
    """Yield the id of every object each time it is used; what a repeated object holds is not gone through again."""
    if isinstance(value, list):
        for item in value:
            yield from _ids_in(item, seen)
    elif isinstance(value, dict):
        if _is_object(value) and "__id__" in value:
            yield value["__id__"]
            if value["__id__"] in seen and not _is_immutable(value):
                return
            seen.add(value["__id__"])
        for item in value.values():
            yield from _ids_in(item, seen)
