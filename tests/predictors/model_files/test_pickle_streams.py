# SPDX-License-Identifier: Apache-2.0
"""What a pickle may import: a stranger's code never runs, neither when looking at a file nor when loading it.

The hostile streams here are harmless: each would make a folder, or import a module that leaves a file behind.
"""

import bz2
import contextlib
import functools
import gzip
import lzma
import os
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

from predictors.errors import ArtifactError
from predictors.model_files import pickle_streams
from predictors.model_files.pickle_file import dump_joblib, imports_of, load_given, load_packed, untrusted_imports_of
from predictors.model_files.pickle_streams import RefusedPickleError
from tests.predictors.model_files.fitted_models import CLASSES, FOREIGN_MODELS, X, answers, fit
from tests.predictors.model_files.pickle_parts import Call, call, text, with_joblib

Stream = Callable[[str], bytes]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package of a user's; the file returned exists as soon as it was imported."""
    imported = tmp_path / "imported"
    package = tmp_path / "packages" / "acme"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        f"""
import pathlib
import shutil
from os import mkdir
import os
from sklearn.base import BaseEstimator, TransformerMixin

pathlib.Path({str(imported)!r}).touch()

class Doubler(TransformerMixin, BaseEstimator):
    class Inner:
        pass

    def fit(self, X, y=None):
        self.fitted_ = self.Inner()
        return self

    def transform(self, X):
        return X * 2

def triple(X):
    return X * 3
"""
    )
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "acme", raising=False)
    return imported


def _forget_acme() -> None:
    sys.modules.pop("acme", None)


# Whom to trust


@pytest.fixture
def doubler(acme: Path, tmp_path: Path) -> Path:
    """A model of a user's own class, whose package was not imported since."""
    import acme as package  # type: ignore[import-not-found]

    model = make_pipeline(package.Doubler(), FunctionTransformer(package.triple), LogisticRegression()).fit(X, CLASSES)
    joblib.dump(model, tmp_path / "MODEL.joblib")
    _forget_acme()
    acme.unlink()
    return tmp_path / "MODEL.joblib"


def test_a_users_own_class_is_refused_by_name_with_the_flags_that_mend_it(doubler: Path, acme: Path) -> None:
    with pytest.raises(ArtifactError) as refusal:
        load_given(doubler)

    assert str(refusal.value) == (
        f"{doubler}: loading it would import acme.Doubler, acme.Doubler.Inner, acme.triple, which the platform's list "
        "does not have, and a pickle can run any code when it is loaded; if you trust it, pass --allow-pickle "
        "--allow-import acme"
    )
    assert not acme.exists()


@pytest.mark.parametrize(
    ("allow_pickle", "allow_imports", "flags"),
    [
        (False, ("acme",), "pass --allow-pickle$"),
        (True, (), "pass --allow-import acme$"),
        (True, ("ac", "acme.", "acm", "acme.Double", "sklearn", ""), "pass --allow-import acme$"),
        (True, ("acme.Doubler",), r"would import acme\.triple, .* pass --allow-import acme$"),
    ],
)
def test_only_the_flags_that_are_missing_are_asked_for(
    doubler: Path, acme: Path, allow_pickle: bool, allow_imports: tuple[str, ...], flags: str
) -> None:
    with pytest.raises(ArtifactError, match=flags):
        load_given(doubler, allow_pickle=allow_pickle, allow_imports=allow_imports)
    assert not acme.exists()


@pytest.mark.parametrize("allow_imports", [("acme",), ("acme.Doubler", "acme.triple")])
def test_a_users_own_class_is_loaded_when_it_was_allowed(doubler: Path, allow_imports: tuple[str, ...]) -> None:
    loaded: Any = load_packed(doubler, allow_pickle=True, allow_imports=allow_imports)

    assert loaded.predict(X).shape == CLASSES.shape


def test_an_artifacts_pickle_is_never_loaded_without_leave_even_when_all_is_on_the_list(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    dump_joblib(fit("ridge")[0], path)

    with pytest.raises(ArtifactError, match=rf"^{path}: it is a pickle, .* any code .* pass --allow-pickle$"):
        load_packed(path, allow_pickle=False, allow_imports=("sklearn",))
    assert answers(load_packed(path, allow_pickle=True), X) == answers(fit("ridge")[0], X)


@pytest.mark.parametrize("name", FOREIGN_MODELS)
def test_of_packages_that_can_do_harm_the_one_thing_is_to_be_allowed(name: str, tmp_path: Path) -> None:
    model, rows = fit(name)
    path = tmp_path / "model.joblib"
    dump_joblib(model, path)
    wanted = untrusted_imports_of(path)

    with pytest.raises(ArtifactError, match=" ".join(f"--allow-import {one}" for one in wanted)):
        load_given(path)
    assert answers(load_given(path, allow_pickle=True, allow_imports=wanted), rows) == answers(model, rows)


def test_a_type_of_someones_script_is_refused_with_its_own_mend_whatever_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(b"c__main__\nDoubler\n.")

    with pytest.raises(ArtifactError, match=r"__main__\.Doubler, which stands in the program .* move it to a module"):
        load_given(path, allow_pickle=True, allow_imports=("__main__",))


def test_a_package_that_is_not_installed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(b"cnot_installed_here\nThing\n.")

    with pytest.raises(ArtifactError, match=r"needs what is not installed here .*not_installed_here"):
        load_given(path, allow_pickle=True, allow_imports=("not_installed_here",))


# Hostile streams


def _nested(target: str) -> np.ndarray[Any, Any]:
    inner = np.empty(2, dtype=object)
    inner[:] = [1, Call(os.mkdir, target)]
    outer = np.empty((1, 2), dtype=object)
    outer[0, 0], outer[0, 1] = inner, "text"
    return outer


def _with_state(target: str) -> bytes:
    model = fit("ridge")[0]
    model.note = {"deep": [(1, Call(os.mkdir, target))]}
    return with_joblib(model)


_HOSTILE: dict[str, Stream] = {
    "reduce": lambda target: pickle.dumps(Call(os.mkdir, target)),
    "reduce in joblib": lambda target: with_joblib(Call(os.mkdir, target)),
    "old opcodes": lambda target: pickle.dumps(Call(os.mkdir, target), 0),
    "GLOBAL": lambda target: b"cos\nmkdir\n(" + text(target) + b"tR.",
    "INST": lambda target: b"(" + text(target) + b"ios\nmkdir\n.",
    "OBJ": lambda target: b"(cos\nmkdir\n" + text(target) + b"o.",
    "STACK_GLOBAL": lambda target: b"\x80\x04" + call("os:mkdir", text(target)) + b".",
    "STACK_GLOBAL from the memo": lambda target: (
        b"\x80\x04" + text("mkdir") + b"\x94" + text("os") + b"\x940h\x01h\x00\x93(" + text(target) + b"tR."
    ),
    "a dotted name": lambda target: b"\x80\x04" + call("sklearn.datasets._base:os.mkdir", text(target)) + b".",
    "what a module of estimators has imported": lambda target: (
        b"\x80\x04" + call("sklearn.linear_model._logistic:inspect.os.mkdir", text(target)) + b"."
    ),
    "dropped at once": lambda target: b"\x80\x04" + call("os:mkdir", text(target)) + b"0N.",
    "after data": lambda target: b"\x80\x04" + b"]" * 50 + call("os:mkdir", text(target)) + b".",
    "a key of a dict": lambda target: pickle.dumps({Call(os.mkdir, target): 1}),
    "an item of a set": lambda target: pickle.dumps({Call(os.mkdir, target)}),
    "deep in the state of an estimator": _with_state,
    "an object array": lambda target: with_joblib({"a": np.array([Call(os.mkdir, target)], dtype=object)}),
    "an object array in an object array": lambda target: with_joblib({"a": _nested(target)}),
    "after the bytes of an array": lambda target: with_joblib([np.arange(9.0), b"R", Call(os.mkdir, target)]),
    "an array with the bytes of a pickle": lambda target: with_joblib(
        [np.frombuffer(b"cos\nmkdir\n.", dtype="u1"), Call(os.mkdir, target)]
    ),
    "in zlib": lambda target: zlib.compress(pickle.dumps(Call(os.mkdir, target))),
    "in gzip": lambda target: gzip.compress(pickle.dumps(Call(os.mkdir, target))),
    "in bz2": lambda target: bz2.compress(pickle.dumps(Call(os.mkdir, target))),
    "in xz": lambda target: lzma.compress(pickle.dumps(Call(os.mkdir, target))),
    "in joblib's compression": lambda target: with_joblib(_nested(target), compress=3),
    "Path.mkdir": lambda target: pickle.dumps(Call(Path.mkdir, Path(target))),
    "getattr": lambda target: (
        b"\x80\x04" + call("builtins:getattr", call("pathlib:Path", text(target)), text("mkdir")) + b")R."
    ),
    "eval": lambda target: pickle.dumps(Call(eval, f"__import__('os').mkdir({target!r})")),
    "functools.partial": lambda target: pickle.dumps(Call(functools.partial(os.mkdir, target))),
    "operator.methodcaller": lambda target: (
        b"\x80\x04" + call("operator:methodcaller", text("mkdir")) + b"(" + call("pathlib:Path", text(target)) + b"tR."
    ),
    "operator.attrgetter": lambda target: (
        b"\x80\x04" + call("operator:attrgetter", text("mkdir")) + b"(" + call("pathlib:Path", text(target)) + b"tR)R."
    ),
    "types.FunctionType": lambda target: b"\x80\x04" + call("types:FunctionType", text(target)) + b".",
    "numpy.load": lambda target: b"\x80\x04" + call("numpy:load", text(target), b"N", b"\x88") + b".",
    "numpy.memmap of another name": lambda target: (
        b"\x80\x04" + call("numpy:_core.memmap.memmap", text(target), text("u1"), text("w+")) + b"."
    ),
    "numpy's runstring": lambda target: (
        b"\x80\x04"
        + call("numpy.testing._private.utils:runstring", text(f"import os; os.mkdir({target!r})"), b"}")
        + b"."
    ),
    "numpy's ufunc reconstructor": lambda target: (
        b"\x80\x04" + call("numpy._core:_ufunc_reconstruct", text("os"), text("mkdir")) + b"(" + text(target) + b"tR."
    ),
    "a distribution of scipy.stats": lambda target: (
        b"\x80\x04"
        + call("scipy.stats._continuous_distns:norm_gen")
        + b"}("
        + text("_parse_arg_template")
        + text(f"import os; os.mkdir({target!r})")
        + b"ub."
    ),
    "joblib.load": lambda target: b"\x80\x04" + call("joblib:load", text(target)) + b".",
    "a memory of joblib": lambda target: b"\x80\x04" + call("joblib.memory:Memory", text(target)) + b".",
    "an old array in another file": lambda target: (
        b"\x80\x04" + call("joblib.numpy_pickle_compat:NDArrayWrapper", text(target), b"N") + b"}b."
    ),
    "the class of the platform's own reader": lambda target: (
        b"\x80\x04"
        + call(f"{pickle_streams.__name__}:_named", text("os"), text("mkdir"))
        + b"("
        + text(target)
        + b"tR."
    ),
}


#: These need more than one file, another version of a library, or are only a step on the way.
_IDLE = frozenset(
    {
        *("an old array in another file", "joblib.load", "numpy.load", "numpy.memmap of another name"),
        *("numpy's ufunc reconstructor", "types.FunctionType"),
    }
)


@pytest.mark.parametrize("name", [name for name in _HOSTILE if name not in _IDLE])
def test_the_hostile_streams_do_run_where_nobody_looks(name: str, tmp_path: Path) -> None:
    target = tmp_path / "made"
    path = tmp_path / "MODEL.joblib"
    path.write_bytes(_HOSTILE[name](str(target)))

    with contextlib.suppress(KeyError):  # a distribution of scipy.stats fails after it has run its string
        joblib.load(path)

    assert target.exists()


@pytest.mark.parametrize("stream", _HOSTILE.values(), ids=_HOSTILE)
@pytest.mark.parametrize("allow_imports", [(), ("acme", "sklearn.pipeline")], ids=["nothing allowed", "others allowed"])
def test_a_hostile_stream_is_refused_and_nothing_of_it_runs(
    stream: Stream, allow_imports: tuple[str, ...], tmp_path: Path
) -> None:
    target = tmp_path / "made"
    path = tmp_path / "MODEL.joblib"
    path.write_bytes(stream(str(target)))

    assert untrusted_imports_of(path) != []
    with pytest.raises(ArtifactError, match=rf"^{path}: loading it would import .* any code when it is loaded"):
        load_given(path)
    with pytest.raises(ArtifactError, match=rf"^{path}: loading it would import"):
        load_packed(path, allow_pickle=True, allow_imports=allow_imports)
    assert not target.exists()


_PLAIN = {name: stream for name, stream in _HOSTILE.items() if not name.startswith("in ")}


@pytest.mark.parametrize("stream", _PLAIN.values(), ids=_PLAIN)
def test_the_reader_that_loads_refuses_a_hostile_stream_by_itself(stream: Stream, tmp_path: Path) -> None:
    target = tmp_path / "made"

    with pytest.raises(RefusedPickleError, match="was not allowed"):
        pickle_streams.load(stream(str(target)), lambda name: False)
    assert not target.exists()


def test_numpys_mapped_array_never_makes_a_file(tmp_path: Path) -> None:
    target = tmp_path / "made"
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(b"\x80\x04" + call("numpy:memmap", text(str(target)), text("u1"), text("w+")) + b".")

    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_given(path, allow_pickle=True, allow_imports=("numpy",))
    assert not target.exists()


@pytest.mark.parametrize("opcode", ["GLOBAL", "STACK_GLOBAL", "INST"])
def test_looking_at_a_file_imports_nothing(opcode: str, acme: Path, tmp_path: Path) -> None:
    streams = {
        "GLOBAL": b"cacme\nDoubler\n.",
        "STACK_GLOBAL": b"\x80\x04" + text("acme") + text("Doubler") + b"\x93.",
        "INST": b"(iacme\nDoubler\n.",
    }
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(streams[opcode])

    assert imports_of(path) == {"acme.Doubler"}
    with pytest.raises(ArtifactError, match=r"acme\.Doubler"):
        load_given(path)
    assert not acme.exists()
    assert "acme" not in sys.modules


@pytest.mark.parametrize("name", ["mkdir", "os.mkdir", "os.path.os.mkdir", "shutil.os.mkdir"])
def test_what_an_allowed_package_has_imported_is_not_allowed_with_it(name: str, acme: Path, tmp_path: Path) -> None:
    target = tmp_path / "made"
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(b"\x80\x04" + call(f"acme:{name}", text(str(target))) + b".")

    with pytest.raises(ArtifactError, match=rf"imports acme\.{name}, which is really (posix|nt)\.mkdir"):
        load_given(path, allow_pickle=True, allow_imports=("acme",))
    assert acme.exists()
    assert not target.exists()


def test_a_module_is_not_handed_out_even_when_its_package_is_allowed(acme: Path, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(b"cacme\nos\n.")

    with pytest.raises(ArtifactError, match=r"imports acme\.os, which is really"):
        load_given(path, allow_pickle=True, allow_imports=("acme",))


def test_a_class_cannot_be_changed_by_a_stream_that_names_only_what_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    slots = b"N}(" + text("predict") + text("numpy") + text("add") + b"\x93u\x86"
    path.write_bytes(b"\x80\x04" + text("sklearn.linear_model._ridge") + text("Ridge") + b"\x93" + slots + b"b.")
    before = fit("ridge")[0].predict

    with pytest.raises(ArtifactError, match="it changes Ridge itself"):
        load_given(path)
    assert fit("ridge")[0].predict.__func__ is before.__func__


_NEVER: dict[str, tuple[bytes, str]] = {
    "a persistent id": (b"\x80\x04" + text("id") + b"Q.", "persistent id"),
    "a persistent id as text": (b"Pid\n.", "persistent id"),
    "an extension code": (b"\x80\x04\x82\x01.", "extension code"),
    "a longer extension code": (b"\x80\x04\x84\x01\x00\x00\x00.", "extension code"),
    "data elsewhere": (b"\x80\x05\x97.", "out-of-band"),
    "read-only data elsewhere": (b"\x80\x05N\x98.", "out-of-band"),
}


@pytest.mark.parametrize(("stream", "sentence"), _NEVER.values(), ids=_NEVER)
def test_what_no_model_needs_is_never_granted(stream: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "MODEL.pkl"
    path.write_bytes(stream)

    with pytest.raises(ArtifactError, match=rf"^{path}: it .*{sentence}"):
        load_given(path, allow_pickle=True, allow_imports=("builtins", "os"))
    with pytest.raises(ArtifactError, match=sentence):
        imports_of(path)
