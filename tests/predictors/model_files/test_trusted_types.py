# SPDX-License-Identifier: Apache-2.0
"""The platform's list of types: what real models need is on it, and nothing that could do harm."""

import subprocess
import sys

import pytest
from sklearn.utils import all_estimators
from skops.io import _trusted_types as skops_types

from predictors.model_files.trusted_types import is_trusted

NEEDED = [
    "builtins.frozenset",
    "builtins.slice",
    "collections.OrderedDict",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.bool",
    "numpy.core._multiarray_umath.log1p",
    "numpy.core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.dtypes.Float64DType",
    "numpy.float64",
    "numpy.log1p",
    "numpy.ma.core._mareconstruct",
    "numpy.mean",
    "numpy.ndarray",
    "numpy.random._mt19937.MT19937",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random.mtrand.RandomState",
    "predictors.item_neighbours.ItemNeighbours",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "scipy.special._special_ufuncs.expit",
    "scipy.special.expit",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.__pyx_unpickle_CyHalfMultinomialLoss",
    "sklearn._loss.link.LogitLink",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.SelectKBest",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.linear_model._sgd_fast.Hinge",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._kd_tree.newObj",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.pipeline.Pipeline",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
]

HARMFUL = [
    # Python itself
    *("builtins.eval", "builtins.exec", "builtins.compile", "builtins.open", "builtins.__import__", "builtins.input"),
    *("builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.type", "builtins.map", "builtins.vars"),
    *("os.system", "posix.system", "os.mkdir", "subprocess.Popen", "shutil.rmtree", "pathlib.Path", "runpy.run_path"),
    *("functools.partial", "functools.reduce", "operator.attrgetter", "operator.methodcaller", "operator.itemgetter"),
    *("types.FunctionType", "types.CodeType", "importlib.import_module", "pickle.loads", "marshal.loads"),
    *("copyreg._reconstructor", "codecs.decode", "_codecs.encode", "ctypes.CDLL", "webbrowser.open"),
    *("__main__.Model", "__builtin__.eval", "", ".", "eval", "..", "sklearn", "sklearn."),
    # numpy and scipy: what a prefix would let in
    *("numpy.load", "numpy.save", "numpy.memmap", "numpy.vectorize", "numpy.fromfile", "numpy.loadtxt"),
    *("numpy.apply_along_axis", "numpy.frompyfunc", "numpy.core", "numpy.f2py.compile", "numpy.f2py.run_main"),
    *("numpy.testing._private.utils.runstring", "numpy.testing.measure", "numpy.ctypeslib.load_library"),
    *("numpy._core._ufunc_reconstruct", "numpy.core._ufunc_reconstruct", "numpy.random._pickle.BitGenerator"),
    *("numpy.lib._npyio_impl.load", "numpy.lib._npyio_impl.DataSource", "numpy.distutils.exec_command.exec_command"),
    *("scipy.stats._distn_infrastructure.rv_continuous_frozen", "scipy.stats._continuous_distns.norm_gen"),
    *("scipy.sparse.load_npz", "scipy.io.loadmat", "scipy.special.cython_special", "scipy.sparse._csr.np"),
    # scikit-learn: what its modules import, and its modules that are no estimators
    *("sklearn.base.os", "sklearn.base.warnings", "sklearn.pipeline.clone", "sklearn.linear_model._base.sp"),
    *("sklearn.linear_model._logistic.Parallel", "sklearn.ensemble._forest.threading", "sklearn.svm._base.inspect"),
    *("sklearn.utils._testing.set_random_state", "sklearn.utils._mocking.MockDataFrame", "sklearn.utils.os"),
    *("sklearn.datasets.load_files", "sklearn.datasets._openml.fetch_openml", "sklearn.conftest.pytest"),
    *("sklearn.linear_model.tests.test_base.StandardScaler", "sklearn.tests.test_base.MyEstimator"),
    *("sklearn.externals.joblib.load", "sklearn.externals._arff.load", "sklearn.show_versions"),
    *("sklearn.preprocessing._function_transformer.FunctionTransformer.fit", "sklearn.base.BaseEstimator.__init__"),
    *("sklearn.metrics._scorer.make_scorer", "sklearn.metrics._scorer.get_scorer", "sklearn.metrics.os"),
    *("joblib.load", "joblib.memory.Memory", "joblib.numpy_pickle.load", "joblib.parallel.Parallel"),
    *("joblib.numpy_pickle.NumpyArrayWrapper", "joblib.numpy_pickle_compat.NDArrayWrapper", "skops.io.load"),
    # this platform: only the one class
    *("predictors.model_files.pickle_file.load_given", "predictors.item_neighbours.np", "predictors.packing.pack"),
]


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_fitted_model_needs_is_trusted(name: str) -> None:
    assert is_trusted(name)


@pytest.mark.parametrize("name", HARMFUL)
def test_what_could_do_harm_is_not_trusted(name: str) -> None:
    assert not is_trusted(name)


def test_every_estimator_of_scikit_learn_is_trusted() -> None:
    names = [f"{kind.__module__}.{kind.__qualname__}" for _, kind in all_estimators()]

    assert len(names) > 150
    assert [name for name in names if not is_trusted(name)] == []


def test_all_that_skops_trusts_is_trusted_but_for_map_which_calls_what_it_is_given() -> None:
    names = [
        *(skops_types.PRIMITIVE_TYPE_NAMES + skops_types.CONTAINER_TYPE_NAMES),
        *(skops_types.SKLEARN_ESTIMATOR_TYPE_NAMES + skops_types.SKLEARN_INTERNAL_TYPE_NAMES),
        *(skops_types.NUMPY_DTYPE_TYPE_NAMES + skops_types.NUMPY_UFUNC_TYPE_NAMES),
        *(skops_types.SCIPY_UFUNC_TYPE_NAMES + skops_types.NUMPY_RANDOM_BIT_GENERATOR_TYPE_NAMES),
    ]

    assert len(names) > 500
    assert [name for name in names if not is_trusted(name)] == ["builtins.map"]


def test_a_name_outside_the_packages_on_the_list_is_never_imported() -> None:
    names = [
        "this.s",
        "antigravity.fly",
        "sklearn.datasets._openml.x",
        "sklearn.tests.test_base.x",
        "numpy.f2py.f2py2e.x",
    ]
    program = f"""
import sys
from predictors.model_files.trusted_types import is_trusted
for name in {names!r}:
    assert not is_trusted(name), name
    assert name.rpartition(".")[0] not in sys.modules, name
"""

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_names_of_fixed_modules_are_decided_without_importing_scikit_learn() -> None:
    program = """
import sys
from predictors.model_files.trusted_types import is_trusted
assert is_trusted("numpy.float64") and is_trusted("sklearn.tree._tree.Tree") and not is_trusted("os.system")
assert "sklearn" not in sys.modules and "scipy" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
