# SPDX-License-Identifier: Apache-2.0
"""What is told of a run that is over: a page to look at, a JSON document of all figures, and the verdict in a line."""

from loadtests.report.document import report_json, verdict_json, write_json, write_verdict
from loadtests.report.page import write_page

__all__ = ["report_json", "verdict_json", "write_json", "write_page", "write_verdict"]
