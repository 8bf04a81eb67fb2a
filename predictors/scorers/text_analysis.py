# SPDX-License-Identifier: Apache-2.0
"""From a text to its terms, as scikit-learn's vectorizers find them: the same terms, in any order."""

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Final, TypeAlias

from predictors.linear.document import TextFeatures

#: Returns the terms of a text, each as often as it stands there.
Analyzer: TypeAlias = Callable[[str], list[str]]

_WHITE_SPACES: Final = re.compile(r"\s\s+")


def analyzer(features: TextFeatures) -> Analyzer:
    """Return the analyzer that these features are counted from."""
    prepare = _preparation(features)
    terms = _words(features) if features.analyzer == "word" else _characters(features)
    if prepare is None:
        return terms

    def prepared(text: str) -> list[str]:
        return terms(prepare(text))

    return prepared


def _preparation(features: TextFeatures) -> Callable[[str], str] | None:
    strip = {"ascii": _ascii, "unicode": _without_combining, None: None}[features.strip_accents]
    if not features.lowercase:
        return strip
    if strip is None:
        return str.lower

    def lower_and_strip(text: str) -> str:
        return strip(text.lower())

    return lower_and_strip


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def _without_combining(text: str) -> str:
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _words(features: TextFeatures) -> Analyzer:
    tokens: Analyzer = re.compile(features.token_pattern).findall
    if features.stop_words:
        tokens = _without(frozenset(features.stop_words), tokens)
    smallest, largest = features.ngram_range
    if largest == 1:
        return tokens
    join = " ".join
    if (smallest, largest) == (1, 2):

        def words_and_pairs(text: str) -> list[str]:
            words = tokens(text)
            return [*words, *map(join, pairwise(words))]

        return words_and_pairs

    def runs(text: str) -> list[str]:
        words = tokens(text)
        terms = words if smallest == 1 else []
        for size in range(max(smallest, 2), largest + 1):
            shifted = [words[start:] for start in range(size)]
            terms = [*terms, *map(join, zip(*shifted, strict=False))]
        return terms

    return runs


def _without(stop_words: frozenset[str], tokens: Analyzer) -> Analyzer:
    def other(text: str) -> list[str]:
        return [word for word in tokens(text) if word not in stop_words]

    return other


def _characters(features: TextFeatures) -> Analyzer:
    sizes = range(features.ngram_range[0], features.ngram_range[1] + 1)

    def anywhere(text: str) -> list[str]:
        text = _WHITE_SPACES.sub(" ", text)
        return [text[start : start + size] for size in sizes for start in range(len(text) - size + 1)]

    def within_words(text: str) -> list[str]:
        terms: list[str] = []
        for word in _WHITE_SPACES.sub(" ", text).split():
            padded = f" {word} "
            for size in sizes:
                if len(padded) <= size:
                    terms.append(padded)  # a short word counts once, not for each larger size again
                    break
                terms += [padded[start : start + size] for start in range(len(padded) - size + 1)]
        return terms

    return anywhere if features.analyzer == "char" else within_words
