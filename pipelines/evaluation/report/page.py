# SPDX-License-Identifier: Apache-2.0
"""The page of an evaluation: one file that needs nothing else, for a browser, Kubeflow's UI, or paper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipelines.evaluation.evaluation import LEAST_OF_A_LABEL, LEAST_ROWS, Evaluation
from pipelines.evaluation.report.meanings import meanings
from pipelines.evaluation.report.tables import confusion_table, metrics_table, slices_table
from pipelines.evaluation.report.text import figure_text, interval_text, name_text
from reports.page import page_from

_FOLDER: Final = Path(__file__).parent


def evaluation_page(evaluation: Evaluation, title: str, facts: Mapping[str, str]) -> str:
    """Return the page of an evaluation, as HTML; the same evaluation gives the same bytes.

    Args:
        evaluation: What the model did to the test rows.
        title: What was evaluated.
        facts: What readers must know of it by name, such as the model's version, the data's digest, the seed.
    """
    from pipelines.evaluation.report.plots import score_plots, threshold_plots

    primary = evaluation.primary
    return page_from(
        _FOLDER,
        title=title,
        facts={name: text for name, text in facts.items() if text},
        rows=figure_text(evaluation.rows),
        resamples=figure_text(evaluation.resamples),
        primary=name_text(primary),
        value=figure_text(evaluation.metrics[primary]),
        interval=interval_text(evaluation.intervals.get(primary)) if primary in evaluation.intervals else None,
        metrics=metrics_table(evaluation),
        slices=slices_table(evaluation) if evaluation.slices else None,
        confusion=confusion_table(evaluation.confusion) if evaluation.confusion is not None else None,
        plots={
            "At every threshold": list(threshold_plots(evaluation)),
            "Scores as probabilities": list(score_plots(evaluation)),
        },
        meanings=meanings(evaluation.metrics),
        least_rows=LEAST_ROWS,
        least_of_a_label=LEAST_OF_A_LABEL,
    )
