# SPDX-License-Identifier: Apache-2.0
"""A challenger judged: against the champion where there is one, else by the floors of the use case."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd

from pipelines.evaluation.comparison import Comparison, compare
from pipelines.evaluation.rules import Decision, decide, decide_first
from pipelines.evaluation.unseen import unseen_by

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from pipelines.evaluation.evaluation import Evaluation
    from pipelines.use_cases import UseCase


@dataclass(frozen=True, eq=False)
class Champion:
    """The version that serves now.

    Attributes:
        version: Its version.
        model: Its estimator.
        lineage: Where it comes from.
    """

    version: str
    model: "BaseEstimator"
    lineage: Mapping[str, float | int | str]


@dataclass(frozen=True)
class Judgement:
    """What became of a challenger.

    Attributes:
        decision: Whether it is promoted, and why.
        comparison: With the champion; None where there was none, or nothing to compare on.
        champion: The champion's version; None where there was none.
    """

    decision: Decision
    comparison: Comparison | None = None
    champion: str | None = None

    def figures(self) -> dict[str, float]:
        """Return what was compared, by name; every figure is finite."""
        figures: dict[str, float] = {"promoted": int(self.decision.promote)}
        compared = self.comparison
        if compared is not None:
            figures |= {
                f"challenger_{compared.metric}": compared.challenger,
                f"champion_{compared.metric}": compared.champion,
                "difference": compared.difference,
                "challenger_bytes": compared.challenger_cost.size,
                "champion_bytes": compared.champion_cost.size,
            }
            if compared.interval is not None:
                figures |= {"difference_low": compared.interval[0], "difference_high": compared.interval[1]}
        return {name: value for name, value in figures.items() if isfinite(value)}

    def to_markdown(self) -> str:
        """Return the verdict for people: the sentence, and what was compared as a table."""
        verdict = "promoted" if self.decision.promote else "kept" if self.champion else "not promoted"
        lines = [f"## {verdict}", "", self.decision.sentence, ""]
        compared = self.comparison
        if compared is None:
            return "\n".join(lines)
        ours, theirs = compared.challenger_cost, compared.champion_cost
        low, high = compared.interval or (float("nan"), float("nan"))
        rows = [
            ("", "challenger", f"champion {self.champion}"),
            ("---", "---:", "---:"),
            (compared.metric, f"{compared.challenger:.4f}", f"{compared.champion:.4f}"),
            ("difference", f"{compared.difference:+.4f}", ""),
            ("its 95 % interval", f"{low:+.4f} to {high:+.4f}", ""),
            ("size (bytes)", f"{ours.size:,}", f"{theirs.size:,}"),
            ("time per row (µs, does not decide)", f"{ours.microseconds:.3g}", f"{theirs.microseconds:.3g}"),
        ]
        return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows), ""])


def judge(
    module: "UseCase",
    model: "BaseEstimator",
    test: pd.DataFrame,
    evaluation: "Evaluation",
    *,
    champion: Champion | None,
    seed: int,
) -> Judgement:
    """Return what becomes of a challenger.

    Args:
        module: The use case.
        model: The challenger.
        test: The test rows of its training.
        evaluation: Of the challenger, on these rows.
        champion: The version that serves now; None where none does.
        seed: Of the bootstrap's draws.

    Raises:
        StepError: The champion cannot answer the test rows.
    """
    plan = module.PLAN
    if champion is None:
        return Judgement(decide_first(evaluation.metrics, plan.floors))
    unseen = unseen_by(champion.lineage, module, test)
    if unseen.rows.empty:
        sentence = f"kept: there is nothing to compare on{unseen.remark}"
        return Judgement(Decision(False, "not proven", sentence), champion=champion.version)
    comparison = compare(module, model, champion.model, unseen.rows, seed=seed)
    decision = decide(comparison, plan.equal_within)
    told = replace(decision, sentence=decision.sentence + unseen.remark)
    return Judgement(told, comparison, champion.version)
