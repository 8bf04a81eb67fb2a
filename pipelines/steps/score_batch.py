# SPDX-License-Identifier: Apache-2.0
"""The step that scores a batch of rows with the champion and writes its predictions, once."""

from kfp.dsl import Metrics, Output


def score_batch(use_case: str, root: str, data: str, out: str, batch: str, metrics: Output[Metrics]) -> None:
    """Score a batch, unless it was scored before.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        data: The rows; empty takes the use case's own source.
        out: Where predictions go.
        batch: The batch's name; empty takes the hour that it is, UTC.
        metrics: How many rows were scored.
    """
    from pipelines.batch.scoring import score

    scored = score(use_case, root=root, out=out, data=data, batch=batch, tell=print)
    print(scored.line)
    metrics.log_metric("rows", scored.rows)
