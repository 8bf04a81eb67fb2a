# SPDX-License-Identifier: Apache-2.0
"""The vectorizer of a text Pipeline as plain data: its terms, and how they are counted and weighed."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from predictors.linear.document import TextFeatures
from predictors.linear.errors import NotLinearError
from predictors.signature import TensorSpec

#: Counts in these types are exact, and so is what is computed of them in float64.
_EXACT: Final = frozenset({np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.float64)})


def text_features(steps: Sequence[Any], inputs: tuple[TensorSpec, ...]) -> TextFeatures:
    """Return the features of a fitted vectorizer, with those of a TfidfTransformer after it.

    Args:
        steps: All steps of the Pipeline before its model.
        inputs: The model's input tensors.

    Raises:
        NotLinearError: The steps are others, or call functions of their own.
    """
    kinds = [type(step) for step in steps]
    if kinds not in ([CountVectorizer], [TfidfVectorizer], [CountVectorizer, TfidfTransformer]):
        told = ", ".join(kind.__name__ for kind in kinds) or "nothing"
        raise NotLinearError(f"before the model stands {told}, not CountVectorizer or TfidfVectorizer alone")
    if any(column.missing for spec in inputs for column in spec.columns):
        raise NotLinearError("its texts may be missing")
    vectorizer = steps[0]
    _require_plain(vectorizer)
    weights = None if kinds == [CountVectorizer] else steps[-1]
    return TextFeatures(
        analyzer=vectorizer.analyzer,
        lowercase=vectorizer.lowercase,
        strip_accents=vectorizer.strip_accents,
        token_pattern=vectorizer.token_pattern if vectorizer.analyzer == "word" else "",
        stop_words=sorted(vectorizer.get_stop_words() or ()) if vectorizer.analyzer == "word" else [],
        ngram_range=[int(size) for size in vectorizer.ngram_range],
        vocabulary=_vocabulary(vectorizer),
        binary=vectorizer.binary,
        sublinear=weights is not None and weights.sublinear_tf,
        idf=weights.idf_.tolist() if weights is not None and weights.use_idf else None,
        norm=None if weights is None else weights.norm,
    )


def _require_plain(vectorizer: Any) -> None:
    own = [name for name in ("preprocessor", "tokenizer") if getattr(vectorizer, name) is not None]
    own += [name for name in ("analyzer", "strip_accents") if callable(getattr(vectorizer, name))]
    if own:
        raise NotLinearError(f"its vectorizer calls a {own[0]} of its own")
    if vectorizer.input != "content":
        raise NotLinearError("its vectorizer reads files")
    if np.dtype(vectorizer.dtype) not in _EXACT:
        raise NotLinearError(f"its vectorizer computes in {np.dtype(vectorizer.dtype)}")
    if vectorizer.ngram_range[0] < 1:
        raise NotLinearError("its vectorizer counts terms of no words")


def _vocabulary(vectorizer: Any) -> list[str]:
    vocabulary = getattr(vectorizer, "vocabulary_", {})
    terms = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[term] for term in terms] != list(range(len(terms))) or not terms:
        raise NotLinearError("its vocabulary has no term for each feature")
    return terms
