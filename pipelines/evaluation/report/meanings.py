# SPDX-License-Identifier: Apache-2.0
"""What metrics of common names say, in plain words, and which way is better."""

from collections.abc import Iterable, Mapping
from typing import Final

from pipelines.evaluation.report.text import name_text

#: Names that a module of one's own may well use for something else, such as coverage, are left out.
_MEANINGS: Final[Mapping[str, str]] = {
    "average_precision": "precision at falling thresholds, each weighted by the recall it adds: how well the scores "
    "put positive rows first. Guessing gives the share of positive rows; 1 is best.",
    "roc_auc": "how often a positive row has a higher score than a negative one, both taken at random. Guessing gives "
    "0.5; 1 is best.",
    "precision": "the share of the flagged rows that are positive: how far a flag can be trusted. Higher is better.",
    "recall": "the share of the positive rows that are flagged: how many are found. Higher is better.",
    "false_positive_rate": "the share of the negative rows that are flagged: how many false alarms. Lower is better.",
    "brier_score": "the mean squared difference of score and truth, which is 1 or 0: how far scores can be taken for "
    "probabilities. Lower is better.",
    "recall_at_10": "of what users with a history rated later, how much is among the first ten items that they are "
    "offered: hits over what ten could hit, averaged over the users. Higher is better.",
    "recall_at_10_all_users": "recall at 10 over the users without a history too, who are offered what is popular. "
    "Higher is better.",
    "popularity_recall_at_10": "recall at 10 if the users with a history were offered what is popular: what a model "
    "has to beat.",
    "lead_over_popularity": "recall at 10 less that of popularity. Above 0 the model is better than popularity.",
}


def meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return, of those metrics that are known, the names as they are read and what they say, in the order above."""
    present = set(names)
    return [(name_text(name), meaning) for name, meaning in _MEANINGS.items() if name in present]
