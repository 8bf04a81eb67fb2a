# SPDX-License-Identifier: Apache-2.0
"""The page of a validation: one file that needs nothing else, for a browser, Kubeflow's UI, or paper."""

from pathlib import Path
from typing import Final

from pipelines.data.validation import Findings
from reports.page import page_from

_FOLDER: Final = Path(__file__).parent


def render_page(findings: Findings, title: str, champion: str) -> str:
    """Return the page of a validation, as HTML.

    Args:
        findings: What was checked and found.
        title: What people call the use case.
        champion: The version that the data were compared with; empty where there was none.
    """
    return page_from(
        _FOLDER,
        findings=findings,
        title=title,
        champion=champion,
        verdict=_verdict(findings),
        outcome="failed" if findings.stopping else "passed",
    )


def _verdict(findings: Findings) -> str:
    stopping = len(findings.stopping)
    if not stopping:
        return "A model may be trained on these data."
    what = "1 finding stops" if stopping == 1 else f"{stopping} findings stop"
    return f"{what} the pipeline: no model is trained on these data."
