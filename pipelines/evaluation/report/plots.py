# SPDX-License-Identifier: Apache-2.0
"""The plots of a classifier: ROC and precision-recall curve, reliability diagram, histogram of scores."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pipelines.evaluation.calibration import Calibration
from pipelines.evaluation.curves import CurvePoint
from pipelines.evaluation.evaluation import Confusion, Evaluation
from pipelines.evaluation.report.drawing import DASHES, Ink, draw, share_axis
from pipelines.evaluation.report.text import figure_text, short_count
from reports.drawing import Key, Plot

Floats = npt.NDArray[np.float64]

#: Between two points of a precision-recall curve, which is no straight line there.
_BETWEEN: Final = 12
#: From the fullest to the emptiest bar of a histogram; where it is more, the axis is logarithmic.
_MOST_TIMES: Final = 50
_FLOOR: Final = 0.7


def threshold_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """Yield the curves over all thresholds; none where the test rows have but one label."""
    if evaluation.curve and evaluation.confusion is not None:
        yield roc_curve(evaluation.curve, evaluation.confusion)
        yield precision_recall_curve(evaluation.curve, evaluation.confusion)


def score_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """Yield what shows a classifier's scores as probabilities; nothing for another model."""
    if evaluation.calibration is not None:
        yield reliability(evaluation.calibration)
        yield scores(evaluation.calibration)


def roc_curve(curve: tuple[CurvePoint, ...], confusion: Confusion) -> Plot:
    """Return recall over the false positive rate, at every threshold and at the model's own."""
    alarms, found = [point.false_positive_rate for point in curve], [point.recall for point in curve]
    own = _share(confusion.false_positives, confusion.true_negatives), _recall(confusion)

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=Ink.MUTED.value, linewidth=1, linestyle=DASHES)
        axes.plot(alarms, found, color=Ink.LINE.value)
        _mark(axes, *own)
        share_axis(axes, "x", "false positive rate")
        share_axis(axes, "y", "recall (true positive rate)")

    return draw(
        paint,
        title="ROC curve",
        about="Each point is a threshold. The nearer the curve comes to the upper left corner, the better the scores "
        "tell the labels apart; the dashed line is what guessing gives.",
        alt=f"ROC curve. At the model's threshold the false positive rate is {figure_text(own[0])} and the recall "
        f"{figure_text(own[1])}.",
        legend=(
            Key("all thresholds", Ink.LINE),
            Key("the model's threshold", Ink.MARK, "dot"),
            Key("guessing", Ink.MUTED, "dashed"),
        ),
    )


def precision_recall_curve(curve: tuple[CurvePoint, ...], confusion: Confusion) -> Plot:
    """Return precision over recall, at every threshold and at the model's own.

    Between two points true and false positives grow in proportion, so that precision goes in a bow (Davis and
    Goadrich, *The Relationship Between Precision-Recall and ROC Curves*, 2006).
    """
    positive = confusion.true_positives + confusion.false_negatives
    negative = confusion.false_positives + confusion.true_negatives
    recall, precision = _between(curve, positive, negative)
    own = _recall(confusion), _share(confusion.true_positives, confusion.false_positives)
    share = positive / (positive + negative)
    flags = confusion.true_positives + confusion.false_positives > 0
    told = (
        f"the recall is {figure_text(own[0])} and the precision {figure_text(own[1])}"
        if flags
        else "no row is flagged, which leaves no precision"
    )

    def paint(axes: Axes) -> None:
        axes.axhline(share, color=Ink.MUTED.value, linewidth=1, linestyle=DASHES)
        axes.plot(recall, precision, color=Ink.LINE.value)
        if flags:
            _mark(axes, *own)
        share_axis(axes, "x", "recall")
        share_axis(axes, "y", "precision")

    return draw(
        paint,
        title="Precision-recall curve",
        about="What share of the positive rows is found, and what share of the flagged rows is right. The dashed line "
        "is the share of positive rows, which guessing gives; where they are rare, this curve says more than the ROC.",
        alt=f"Precision-recall curve. At the model's threshold {told}; {figure_text(share)} of the rows are positive.",
        legend=(
            Key("all thresholds", Ink.LINE),
            *([Key("the model's threshold", Ink.MARK, "dot")] if flags else []),
            Key("guessing", Ink.MUTED, "dashed"),
        ),
    )


def reliability(calibration: Calibration) -> Plot:
    """Return the share of positive rows over the mean score, bin by bin."""
    bins = calibration.bins
    score, share = np.array([each.score for each in bins]), np.array([each.share for each in bins])
    # At a share of 0 or 1 Wilson's interval ends there but for rounding, which must not make a length below zero.
    below = np.maximum(share - [each.interval[0] for each in bins], 0)
    above = np.maximum([each.interval[1] for each in bins] - share, 0)

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=Ink.MUTED.value, linewidth=1, linestyle=DASHES)
        axes.errorbar(score, share, yerr=(below, above), fmt="none", ecolor=Ink.LINE.value, elinewidth=1.4, capsize=2.5)
        axes.plot(score, share, "o", color=Ink.LINE.value, markersize=5, clip_on=False)
        share_axis(axes, "x", "mean score of the rows")
        share_axis(axes, "y", "share that is positive")
        for each in bins:
            axes.text(
                (each.low + each.high) / 2,
                1.05,
                short_count(each.rows),
                ha="center",
                fontsize=7.5,
                color=Ink.MUTED.value,
                clip_on=False,
            )

    told = "; ".join(f"{each.rows:,} rows of mean score {each.score:.2f}: {each.share:.2f} positive" for each in bins)
    return draw(
        paint,
        title="Calibration",
        about="Where scores can be taken for probabilities, the points lie on the dashed line: above it the model says "
        "too little, below it too much. Bars are 95 % intervals; the numbers along the top count the rows. "
        f"Expected calibration error {figure_text(calibration.expected_error)}; Brier score "
        f"{figure_text(calibration.brier_score)}, where always saying the share of positive rows has "
        f"{figure_text(calibration.reference)}.",
        alt=f"Reliability diagram. {told}.",
        legend=(Key("rows of similar score", Ink.LINE, "dot"), Key("perfectly calibrated", Ink.MUTED, "dashed")),
    )


def scores(calibration: Calibration) -> Plot:
    """Return how many positive and negative rows have which score."""
    bins = calibration.bins
    middles, width = np.array([(each.low + each.high) / 2 for each in bins]), bins[0].high - bins[0].low
    positive = np.array([round(each.share * each.rows) for each in bins])
    negative = np.array([each.rows for each in bins]) - positive
    counts = np.concatenate((positive, negative))
    logarithmic = counts.max() > _MOST_TIMES * counts[counts > 0].min()

    def paint(axes: Axes) -> None:
        floor = _FLOOR if logarithmic else 0.0  # a logarithm has no place for 0
        for heights, ink, side in ((negative, Ink.OTHER, -1), (positive, Ink.BARS, 1)):
            axes.bar(
                middles + side * width * 0.21,
                np.maximum(heights - floor, 0),
                width * 0.4,
                bottom=floor,
                color=ink.value,
                linewidth=0,
            )
        share_axis(axes, "x", "score")
        axes.grid(visible=False, axis="x")
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(10, numticks=6))
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(floor, counts.max() * (1.6 if logarithmic else 1.08))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_ylabel("rows (logarithmic)" if logarithmic else "rows")

    told = "; ".join(
        f"{each.low:.1f} to {each.high:.1f}: {n:,} negative, {p:,} positive"
        for each, n, p in zip(bins, negative, positive, strict=True)
    )
    return draw(
        paint,
        title="Scores",
        about="How many rows of either label have which score. The less the two overlap, the less the choice of the "
        "threshold matters.",
        alt=f"Histogram of scores. {told}.",
        legend=(Key("negative", Ink.OTHER, "area"), Key("positive", Ink.BARS, "area")),
    )


def _mark(axes: Axes, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color=Ink.MARK.value, markersize=7, clip_on=False, zorder=3)


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else 0.0


def _recall(confusion: Confusion) -> float:
    return _share(confusion.true_positives, confusion.false_negatives)


def _between(curve: tuple[CurvePoint, ...], positive: int, negative: int) -> tuple[Floats, Floats]:
    """Return recall and precision of the points and of what lies between them, without the one that flags nothing."""
    steps = np.arange(len(curve) - 1)[:, None] + np.arange(1, _BETWEEN + 1) / _BETWEEN
    places = np.arange(len(curve))
    found = positive * np.interp(steps.ravel(), places, [point.recall for point in curve])
    alarms = negative * np.interp(steps.ravel(), places, [point.false_positive_rate for point in curve])
    return found / positive, found / (found + alarms)
