# SPDX-License-Identifier: Apache-2.0
"""The fitted scikit-learn object of an artifact as a file: skops where every type is trusted, joblib otherwise."""

import platform
import sys
from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import cast

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from predictors.errors import ArtifactError, PackingError
from predictors.model_files.pickle_file import dump_joblib, imports_of_model, load_given, load_packed
from predictors.model_files.skops_file import dump_skops, load_skops
from predictors.model_files.trusted_types import is_trusted

_LIBRARIES = ("joblib", "numpy", "scikit-learn", "scipy", "skops")
_ZIP = b"PK\x03\x04"
_ANSWERS = ("predict", "transform", "decision_function", "score_samples", "fit_predict", "fit_transform")


def write_estimator(model: BaseEstimator, folder: Path) -> Path:
    """Write a fitted estimator as ``model.skops``, or as ``model.joblib`` where skops cannot hold all of it.

    The same fitted estimator gives the same bytes.

    Args:
        model: The estimator or Pipeline.
        folder: The folder to write to; it exists.

    Returns:
        The file's path.

    Raises:
        PackingError: The object is no fitted estimator, or cannot be saved at all.
    """
    _check_estimator(model, "the model", PackingError)
    path = folder / "model.skops"
    try:
        dump_skops(model, path)
    except PackingError:
        path = folder / "model.joblib"
        dump_joblib(model, path)
    return path


def read_estimator(path: Path, *, allow_pickle: bool, allow_imports: Collection[str] = ()) -> BaseEstimator:
    """Return the estimator in a file of an artifact; a pickle never without leave.

    Args:
        path: ``model.skops`` or ``model.joblib``.
        allow_pickle: Whether a pickle is loaded at all.
        allow_imports: What it may import besides the platform's list: packages, modules or full names.

    Raises:
        ArtifactError: The file cannot be read, asks for what is not allowed, or holds no fitted estimator.
    """
    return _read(path, lambda: load_packed(path, allow_pickle=allow_pickle, allow_imports=allow_imports))


def read_given_estimator(
    path: Path, *, allow_pickle: bool = False, allow_imports: Collection[str] = ()
) -> BaseEstimator:
    """Return the estimator in a file that the user of this command hands over, to be packed.

    A pickle needs leave only where it would import anything that is not on the platform's list.

    Args:
        path: A file written by joblib, pickle or skops.
        allow_pickle: Whether a pickle may import anything besides the platform's list.
        allow_imports: What that may be: packages, modules or full names.

    Raises:
        ArtifactError: The file cannot be read, asks for what is not allowed, or holds no fitted estimator.
    """
    return _read(path, lambda: load_given(path, allow_pickle=allow_pickle, allow_imports=allow_imports))


def estimator_libraries(model: BaseEstimator) -> dict[str, str]:
    """Return the versions of all that the estimator needs: Python, scikit-learn and its kin, and other packages used.

    Packages that are not installed as such (a folder on the path) have no version and are left out.

    Raises:
        PackingError: Something in the estimator has no name to be found by.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}
    foreign = {name.partition(".")[0] for name in imports_of_model(model) if not is_trusted(name)}
    installed = packages_distributions()
    for package in sorted(foreign - sys.stdlib_module_names):
        for distribution in installed.get(package, ()):
            try:
                versions[distribution] = version(distribution)
            except PackageNotFoundError:  # its metadata is broken
                continue
    return versions


def _read(path: Path, load_pickle: Callable[[], object]) -> BaseEstimator:
    try:
        with path.open("rb") as file:
            is_skops = file.read(len(_ZIP)) == _ZIP or path.suffix == ".skops"
    except OSError as err:
        raise ArtifactError(f"{path}: cannot be read: {err.strerror}") from err
    found = load_skops(path) if is_skops else load_pickle()
    _check_estimator(found, str(path), ArtifactError)
    return cast(BaseEstimator, found)


def _check_estimator(found: object, place: str, error: type[ArtifactError] | type[PackingError]) -> None:
    if isinstance(found, type) or not hasattr(found, "fit") or not any(hasattr(found, name) for name in _ANSWERS):
        kind = f"the class {found.__name__}" if isinstance(found, type) else f"an object of type {_name_of(found)}"
        raise error(f"{place}: it is {kind}, and not a fitted scikit-learn estimator; save the fitted object by itself")
    try:
        check_is_fitted(found)
    except NotFittedError as err:
        raise error(f"{place}: this {type(found).__name__} is not fitted; call its fit before saving it") from err
    except (AttributeError, TypeError) as err:
        # Not derived from BaseEstimator, so scikit-learn has nothing to ask: by its convention, fit leaves such traces.
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(found)):
            raise error(f"{place}: this {type(found).__name__} is not fitted; call its fit before saving it") from err


def _name_of(found: object) -> str:
    kind = type(found)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
