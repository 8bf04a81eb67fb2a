# SPDX-License-Identifier: Apache-2.0
"""Random damage to both kinds of model file: refused with a sentence or loaded, and never any other error."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors.errors import ArtifactError
from predictors.model_files.pickle_file import dump_joblib, load_given, untrusted_imports_of
from predictors.model_files.skops_file import dump_skops, load_skops, skops_untrusted
from tests.predictors.model_files.fitted_models import fit

_CHANGES = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 255)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    model = fit("columns in a forest")[0]
    dump_joblib(model, folder / "good.joblib")
    dump_skops(model, folder / "good.skops")
    return folder


def _is_loaded(content: bytes, path: Path, load: Callable[[Path], object]) -> bool:
    """Whether the content loads; anything but a refusal that names the file fails the test."""
    path.write_bytes(content)
    try:
        load(path)
    except ArtifactError as err:
        assert str(err).startswith(f"{path}: ")  # noqa: PT017 (a refusal is one of two right outcomes)
        return False
    return True


@pytest.mark.parametrize(("suffix", "load"), [("joblib", load_given), ("skops", load_skops)])
@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_always_refused(
    suffix: str, load: Callable[[Path], object], cut: float, folder: Path
) -> None:
    good = (folder / f"good.{suffix}").read_bytes()
    path = folder / f"cut.{suffix}"
    path.write_bytes(good[: int(cut * len(good))])

    with pytest.raises(ArtifactError, match=rf"^{path}: it is (empty|damaged|truncated)"):
        load(path)


@settings(max_examples=300, deadline=None)
@given(changes=_CHANGES)
def test_a_changed_joblib_file_loads_only_if_it_imports_nothing_that_is_not_trusted(
    changes: list[tuple[int, int]], folder: Path
) -> None:
    content = bytearray((folder / "good.joblib").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path = folder / "changed.joblib"

    assert not (_is_loaded(bytes(content), path, load_given) and untrusted_imports_of(path))


@settings(max_examples=200, deadline=None)
@given(changes=_CHANGES)
def test_a_changed_skops_file_loads_only_if_it_names_nothing_that_is_not_trusted(
    changes: list[tuple[int, int]], folder: Path
) -> None:
    content = bytearray((folder / "good.skops").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path = folder / "changed.skops"

    assert not (_is_loaded(bytes(content), path, load_skops) and skops_untrusted(path))


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10**9), text=st.text('0123456789{}[]",:_abnull ', max_size=3), which=st.integers(0, 10**6))
def test_a_changed_member_with_a_right_checksum_raises_nothing_unexpected(
    place: int, text: str, which: int, folder: Path
) -> None:
    with zipfile.ZipFile(folder / "good.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # Every other time the schema: it is the member in which a change means something.
    name = "schema.json" if which % 2 else sorted(members)[which % len(members)]
    content = bytearray(members[name])
    start = place % len(content)
    content[start : start + len(text)] = text.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, good in members.items():
            archive.writestr(member, content if member == name else good)
    path = folder / "changed.skops"

    assert not (_is_loaded(buffer.getvalue(), path, load_skops) and skops_untrusted(path))


@settings(max_examples=200, deadline=None)
@given(stream=st.binary(min_size=1, max_size=60))
def test_random_opcodes_raise_nothing_unexpected(stream: bytes, folder: Path) -> None:
    path = folder / "random.pkl"

    assert not (_is_loaded(b"\x80\x04" + stream, path, load_given) and untrusted_imports_of(path))
