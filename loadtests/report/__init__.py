# SPDX-License-Identifier: Apache-2.0
"""What is told of a run that is over: a page to look at, a JSON document of all figures, and the verdict in a line."""

from loadtests.report.document import write_json
from loadtests.report.page import write_page
from loadtests.report.verdict_line import write_verdict

__all__ = ["write_json", "write_page", "write_verdict"]
