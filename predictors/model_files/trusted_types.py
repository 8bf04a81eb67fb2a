# SPDX-License-Identifier: Apache-2.0
"""The platform's own list of the types and functions that a model file may name, kept here and never in a model.

A file that names something can have it called with any arguments, be made without its constructor, or put anywhere
inside the model. A name is therefore on the list only when all of that is harmless. No prefix is enough: ``numpy.``
would let in ``numpy.f2py`` and ``numpy.load``, ``sklearn.`` the names that its modules import from elsewhere, and
``scipy.stats`` distributions run a string of their own state as code. What is not written out below by its full name
is looked up, in modules written out below, and must turn out to be of the right kind and at home in that very module:

- scikit-learn's estimators: classes derived from ``BaseEstimator``, in its packages of estimators;
- the classes of a few scikit-learn modules that hold nothing else than losses, kernels, distances and splitters;
- the public functions of scikit-learn's scoring modules, which take arrays and give numbers;
- numpy's scalar types, dtypes and bit generators, scipy's sparse arrays, and the ufuncs of numpy and scipy.special.

Deliberately not here: ``getattr``, ``functools.partial``, ``operator.attrgetter`` and their like (they reach every
attribute of everything), ``numpy.memmap`` (opens files for writing), ``numpy._core._ufunc_reconstruct`` (imports what
it is told), ``joblib.Memory`` (makes folders), and whatever comes from other packages.

The list says that no code of a file's choosing runs. It cannot say that a file's numbers are sane: the compiled parts
of scikit-learn and scipy trust the indices they were fitted with. Digests and signatures say whose numbers they are.
"""

import importlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

_EXACT = frozenset(
    {
        *(f"builtins.{name}" for name in ("bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list")),
        *(f"builtins.{name}" for name in ("range", "set", "slice", "str", "tuple")),
        *("collections.OrderedDict", "collections.defaultdict"),
        # Arrays and what rebuilds them; the names under numpy.core are those that numpy 1 wrote.
        *("numpy.dtype", "numpy.matrix", "numpy.ndarray"),
        *(f"numpy.{core}.multiarray.{name}" for core in ("_core", "core") for name in ("_reconstruct", "scalar")),
        *("numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer"),
        *("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray", "numpy.ma.core.MaskedConstant"),
        "numpy.ma.core._mareconstruct",
        # What estimators such as FeatureAgglomeration keep as a function of an array.
        *(f"numpy.{name}" for name in ("clip", "max", "mean", "median", "min", "nan_to_num", "sum")),
        *("numpy.random.mtrand.RandomState", "numpy.random._generator.Generator"),
        *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("bit_generator", "generator", "randomstate")),
        *(f"numpy.random.bit_generator.{name}" for name in ("SeedSequence", "__pyx_unpickle_SeedSequence")),
        *("scipy.interpolate._bsplines.BSpline", "scipy.interpolate._bsplines._BSpline"),
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        *("sklearn._loss._loss.__pyx_unpickle_CyHalfMultinomialLoss", "sklearn.metrics._dist_metrics.newObj"),
        *(f"sklearn.neighbors.{tree}.newObj" for tree in ("_ball_tree", "_kd_tree")),
        *(f"sklearn.neighbors._kd_tree.{name}" for name in ("KDTree", "KDTree32", "KDTree64")),
        *(f"sklearn.neighbors._ball_tree.{name}" for name in ("BallTree", "BallTree32", "BallTree64")),
        *("sklearn.tree._tree.Tree", "sklearn.utils._bunch.Bunch"),
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        *("sklearn.calibration._CalibratedClassifier", "sklearn.cluster._bisect_k_means._BisectingTree"),
        *(f"sklearn.cluster._birch.{name}" for name in ("_CFNode", "_CFSubcluster")),
        *(f"sklearn.cluster._kmeans._kmeans_single_{algorithm}" for algorithm in ("elkan", "lloyd")),
        *("sklearn.compose._column_transformer._RemainderColsList", "sklearn.impute._iterative._ImputerTriplet"),
        *(f"sklearn.metrics._scorer.{name}" for name in ("_CurveScorer", "_MultimetricScorer", "_PassthroughScorer")),
        "sklearn.metrics._scorer._Scorer",
        *(f"sklearn.utils._metadata_requests.{name}" for name in ("MetadataRequest", "MethodMetadataRequest")),
        "predictors.item_neighbours.ItemNeighbours",
    }
)

_ESTIMATOR_PACKAGES = frozenset(
    f"sklearn.{name}"
    for name in (
        *("base", "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition"),
        *("discriminant_analysis", "dummy", "ensemble", "feature_extraction", "feature_selection", "frozen"),
        *("gaussian_process", "impute", "isotonic", "kernel_approximation", "kernel_ridge", "linear_model", "manifold"),
        *("mixture", "model_selection", "multiclass", "multioutput", "naive_bayes", "neighbors", "neural_network"),
        *("pipeline", "preprocessing", "random_projection", "semi_supervised", "svm", "tree"),
    )
)


def is_trusted(name: str) -> bool:
    """Whether a model file may name this type or function.

    Args:
        name: The full name, module and all: ``sklearn.linear_model._logistic.LogisticRegression``.
    """
    return name in _EXACT or _is_of_a_trusted_kind(name)


@lru_cache(maxsize=4096)
def _is_of_a_trusted_kind(name: str) -> bool:
    module, _, own = name.rpartition(".")
    if module in _KINDS:
        is_right_kind = _KINDS[module]
    elif _may_hold_estimators(module):
        is_right_kind = _is_estimator
    else:
        return False  # before anything is imported
    try:
        # Not getattr: a module's own __getattr__ may import, and warns of names that are going away.
        found = vars(importlib.import_module(module)).get(own)
    except ImportError:
        return False
    return found is not None and is_right_kind(found, module, own)


def _may_hold_estimators(module: str) -> bool:
    parts = module.split(".")
    return (
        ".".join(parts[:2]) in _ESTIMATOR_PACKAGES
        and all(part.isidentifier() for part in parts)
        and not any("test" in part for part in parts)
    )


def _is_at_home(found: object, module: str, own: str) -> bool:
    """Whether an object was defined in that module under that name, and not imported into it."""
    return getattr(found, "__module__", None) == module and getattr(found, "__qualname__", None) == own


def _is_class(found: object, module: str, own: str) -> bool:
    return isinstance(found, type) and _is_at_home(found, module, own)


def _is_estimator(found: object, module: str, own: str) -> bool:
    from sklearn.base import BaseEstimator

    return isinstance(found, type) and issubclass(found, BaseEstimator) and _is_at_home(found, module, own)


def _is_public_function(found: object, module: str, own: str) -> bool:
    return isinstance(found, FunctionType) and not own.startswith("_") and _is_at_home(found, module, own)


def _is_ufunc(found: object, _module: str, _own: str) -> bool:
    return isinstance(found, np.ufunc)


def _is_derived_from(base: type | tuple[type, ...], found: object) -> bool:
    return isinstance(found, type) and issubclass(found, base)


def _is_numpy_scalar_or_ufunc(found: object, _module: str, _own: str) -> bool:
    return isinstance(found, np.ufunc) or _is_derived_from(np.generic, found)


def _is_dtype(found: object, _module: str, _own: str) -> bool:
    return _is_derived_from(np.dtype, found)


def _is_bit_generator(found: object, _module: str, _own: str) -> bool:
    return _is_derived_from(np.random.BitGenerator, found)


def _is_sparse(found: object, _module: str, _own: str) -> bool:
    from scipy.sparse import sparray, spmatrix

    return _is_derived_from((sparray, spmatrix), found)


_Kind = Callable[[Any, str, str], bool]

#: Modules in which names are looked up, and the kind of object that is trusted there.
_KINDS: Mapping[str, _Kind] = {
    "numpy": _is_numpy_scalar_or_ufunc,
    "numpy.dtypes": _is_dtype,
    "numpy.random": _is_bit_generator,
    **{f"numpy.random.{name}": _is_bit_generator for name in ("_mt19937", "_pcg64", "_philox", "_sfc64")},
    **{f"numpy.{core}._multiarray_umath": _is_ufunc for core in ("_core", "core")},
    "numpy._core.umath": _is_ufunc,
    "scipy.special": _is_ufunc,
    **{f"scipy.special.{name}": _is_ufunc for name in ("_gufuncs", "_special_ufuncs", "_ufuncs")},
    "scipy.sparse": _is_sparse,
    **{f"scipy.sparse.{name}": _is_sparse for name in ("_bsr", "_coo", "_csc", "_csr", "_dia", "_dok", "_lil")},
    **{f"scipy.sparse.{name}": _is_sparse for name in ("_base", "_matrix")},
    **{f"sklearn._loss.{name}": _is_class for name in ("_loss", "link", "loss")},
    "sklearn.gaussian_process.kernels": _is_class,
    "sklearn.linear_model._sgd_fast": _is_class,
    "sklearn.metrics._dist_metrics": _is_class,
    "sklearn.model_selection._split": _is_class,
    "sklearn.neural_network._stochastic_optimizers": _is_class,
    "sklearn.feature_selection._mutual_info": _is_public_function,
    "sklearn.feature_selection._univariate_selection": lambda found, module, own: (
        _is_public_function(found, module, own) or _is_estimator(found, module, own)
    ),
    **{f"sklearn.metrics.{name}": _is_public_function for name in ("_classification", "_ranking", "_regression")},
    "sklearn.metrics.cluster._supervised": _is_public_function,
    "sklearn.metrics.pairwise": _is_public_function,
}
