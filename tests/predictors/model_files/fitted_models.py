# SPDX-License-Identifier: Apache-2.0
"""Real fitted estimators of many kinds, each with rows to ask them about; the same ones in every process."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, BisectingKMeans, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

_RANDOM = np.random.default_rng(7)
X = _RANDOM.normal(size=(80, 4)).round(3)
CLASSES = (X[:, 0] + X[:, 1] ** 2 > 0.6).astype(int)
VALUES = (X @ np.array([1.0, -2.0, 0.5, 0.0]) + X[:, 0] ** 2).round(3)
TEXTS = [
    "free prize now",
    "see you at lunch",
    "win a free prize",
    "lunch at noon?",
    "naïve café prize",
    "see the moon",
] * 4
IS_SPAM = np.array([1, 0, 1, 0, 1, 0] * 4)
TABLE = pd.DataFrame(
    {"kind": (["L", "M", "H", "L"] * 20), "size": np.where(X[:, 0] > 1.2, np.nan, X[:, 0]), "weight": X[:, 1]}
)

_FITTERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "logistic regression": lambda: (LogisticRegression().fit(X, CLASSES), X),
    "logistic regression with class weights": lambda: (
        LogisticRegression(class_weight={0: 1, 1: 5}).fit(X, CLASSES),
        X,
    ),
    "ridge": lambda: (Ridge().fit(X, VALUES), X),
    "poisson": lambda: (PoissonRegressor().fit(X, np.abs(VALUES)), X),
    "sgd": lambda: (SGDClassifier(random_state=0).fit(X, CLASSES), X),
    "tree": lambda: (DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, CLASSES), X),
    "forest": lambda: (RandomForestClassifier(8, max_depth=4, random_state=0).fit(X, CLASSES), X),
    "forest of random state": lambda: (ExtraTreesRegressor(5, random_state=np.random.RandomState(3)).fit(X, VALUES), X),
    "gradient boosting": lambda: (GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, CLASSES), X),
    "histogram boosting": lambda: (HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, CLASSES), X),
    "isolation forest": lambda: (IsolationForest(n_estimators=6, random_state=0).fit(X), X),
    "svc": lambda: (SVC().fit(X, CLASSES), X),
    "one-class svm": lambda: (OneClassSVM().fit(X), X),
    "one against rest": lambda: (OneVsRestClassifier(SVC()).fit(X, (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)), X),
    "neighbours in a k-d tree": lambda: (KNeighborsClassifier(algorithm="kd_tree").fit(X, CLASSES), X),
    "neighbours in a ball tree": lambda: (KNeighborsRegressor(algorithm="ball_tree", p=1).fit(X, VALUES), X),
    "naive bayes": lambda: (GaussianNB().fit(X, CLASSES), X),
    "gaussian process classifier": lambda: (GaussianProcessClassifier(random_state=0).fit(X, CLASSES), X),
    "gaussian process regressor": lambda: (
        GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=0).fit(X, VALUES),
        X,
    ),
    "neural network": lambda: (
        make_pipeline(StandardScaler(), MLPClassifier((8,), solver="lbfgs", random_state=0)).fit(X, CLASSES),
        X,
    ),
    "isotonic": lambda: (IsotonicRegression(out_of_bounds="clip").fit(X[:, 0], VALUES), X[:, 0]),
    "pca": lambda: (PCA(2).fit(X), X),
    "k-means": lambda: (KMeans(3, n_init=2, random_state=0).fit(X), X),
    "bisecting k-means": lambda: (BisectingKMeans(3, random_state=0).fit(X), X),
    "sparse projection": lambda: (SparseRandomProjection(3, random_state=0).fit(X), X),
    "splines": lambda: (make_pipeline(SplineTransformer(), Ridge()).fit(X, VALUES), X),
    "bins": lambda: (KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf").fit(X), X),
    "neighbours imputer": lambda: (KNNImputer().fit(TABLE[["size", "weight"]]), TABLE[["size", "weight"]]),
    "tf-idf and regression": lambda: (
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, IS_SPAM),
        TEXTS,
    ),
    "tf-idf with english stop words": lambda: (
        make_pipeline(TfidfVectorizer(stop_words="english"), MultinomialNB()).fit(TEXTS, IS_SPAM),
        TEXTS,
    ),
    "counts with a list of stop words": lambda: (CountVectorizer(stop_words=["at", "a", "the"]).fit(TEXTS), TEXTS),
    "counts with a set of words": lambda: (
        CountVectorizer(vocabulary={"free", "lunch", "prize", "café", "noon", "see"}).fit(TEXTS),
        TEXTS,
    ),
    "hashed words": lambda: (
        make_pipeline(HashingVectorizer(n_features=64), TruncatedSVD(2, random_state=0)).fit(TEXTS),
        TEXTS,
    ),
    "union of words and letters": lambda: (
        FeatureUnion([("words", TfidfVectorizer()), ("letters", TfidfVectorizer(analyzer="char_wb"))]).fit(TEXTS),
        TEXTS,
    ),
    "columns": lambda: (_columns(LogisticRegression()).fit(TABLE, CLASSES), TABLE),
    "columns in a forest": lambda: (_columns(RandomForestClassifier(5, random_state=0)).fit(TABLE, CLASSES), TABLE),
    "logarithm": lambda: (make_pipeline(FunctionTransformer(np.log1p), Ridge()).fit(np.abs(X), VALUES), np.abs(X)),
    "best by chi-squared": lambda: (
        make_pipeline(MinMaxScaler(), SelectKBest(chi2, k=2), GaussianNB()).fit(X, CLASSES),
        X,
    ),
    "stacking": lambda: (
        StackingClassifier(
            [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=3, random_state=0))], cv=3
        ).fit(X, CLASSES),
        X,
    ),
    "voting": lambda: (VotingRegressor([("ridge", Ridge()), ("neighbours", KNeighborsRegressor())]).fit(X, VALUES), X),
    "calibrated by a sigmoid": lambda: (CalibratedClassifierCV(GaussianNB(), cv=3).fit(X, CLASSES), X),
    "calibrated by steps": lambda: (CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=3).fit(X, CLASSES), X),
    "fixed threshold": lambda: (
        FixedThresholdClassifier(FrozenEstimator(LogisticRegression().fit(X, CLASSES)), threshold=0.3).fit(X, CLASSES),
        X,
    ),
    "grid search": lambda: (
        GridSearchCV(SVC(), {"C": [0.5, 2.0], "kernel": ["rbf", "linear"]}, cv=3).fit(X, CLASSES),
        X,
    ),
}

#: What skops cannot hold, or would not give back as it was.
_JOBLIB_FITTERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "birch": lambda: (Birch(n_clusters=3).fit(X), X),
    "boolean class weights": lambda: (
        LogisticRegression(class_weight={False: 1.0, True: 5.0}).fit(X, CLASSES.astype(bool)),
        X,
    ),
}

#: As these; and they hold functions besides, of scikit-learn's own, which the platform's list does not have.
_FOREIGN_FITTERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "histogram boosting of categories": lambda: (
        HistGradientBoostingRegressor(max_iter=5, categorical_features=[0], random_state=0).fit(_coded(), VALUES),
        _coded(),
    ),
}

#: Of these the fit itself differs between two runs: it measures its time.
TIMED = frozenset({"grid search"})

SKOPS_MODELS = tuple(_FITTERS)
JOBLIB_MODELS = tuple(_JOBLIB_FITTERS)
FOREIGN_MODELS = tuple(_FOREIGN_FITTERS)


def fit(name: str) -> tuple[Any, Any]:
    """Return a newly fitted estimator, and rows for it."""
    return (_FITTERS | _JOBLIB_FITTERS | _FOREIGN_FITTERS)[name]()


def answers(model: Any, rows: Any) -> list[bytes]:
    """Return all that a model has to say of rows, bit for bit."""
    methods = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
    given = [getattr(model, method)(rows) for method in methods if hasattr(model, method)]
    return [
        np.ascontiguousarray(answer.toarray() if hasattr(answer, "toarray") else answer).tobytes() for answer in given
    ]


def _coded() -> Any:
    return np.column_stack([np.tile([0.0, 1.0, 2.0, np.nan], 20), X[:, 1:]])


def _columns(last: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    kinds = OneHotEncoder(handle_unknown="ignore")
    ranks = OrdinalEncoder(categories=[["L", "M", "H"]], dtype=np.float32)
    steps = [("numbers", numbers, ["size", "weight"]), ("kinds", kinds, ["kind"]), ("ranks", ranks, ["kind"])]
    return make_pipeline(ColumnTransformer(steps, remainder="drop"), last)
