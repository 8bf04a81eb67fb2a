# SPDX-License-Identifier: Apache-2.0
"""All checks of a run's data: whether a model may be trained on them, and if not, which column and rows are why."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.data.champion import Champion
from pipelines.data.distribution import Shift, check_distribution
from pipelines.data.duplicates import check_duplicates
from pipelines.data.findings import Check, Finding
from pipelines.data.label_agreement import check_agreement
from pipelines.data.label_checks import check_balance, check_sizes
from pipelines.data.loaded_rows import LoadedRows
from pipelines.data.schema_check import check_schema
from pipelines.use_cases import Parts, UseCase


@dataclass(frozen=True, eq=False)
class Findings:
    """What came out of the checks.

    Attributes:
        checks: Each check, in the order in which they were done.
        shifts: How far each feature has moved from the champion's data; none without a champion.
        sizes: Rows by part.
    """

    checks: tuple[Check, ...]
    shifts: tuple[Shift, ...]
    sizes: Mapping[str, int]

    @property
    def all(self) -> tuple[Finding, ...]:
        """All findings."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def stopping(self) -> tuple[Finding, ...]:
        """Those for which the pipeline must not go on."""
        return tuple(finding for finding in self.all if finding.stops)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """Those that are only worth knowing."""
        return tuple(finding for finding in self.all if not finding.stops)

    @property
    def passed(self) -> int:
        """How many checks were done and found nothing that stops."""
        return sum(check.outcome in ("passed", "remark") for check in self.checks)

    def metrics(self) -> dict[str, float]:
        """Return the figures that are kept of a run: counts, and each feature's population stability index."""
        counts = {
            "checks_passed": self.passed,
            "checks_failed": sum(check.outcome == "failed" for check in self.checks),
            "findings": len(self.stopping),
            "remarks": len(self.remarks),
        }
        rows = {f"rows_{name}": count for name, count in self.sizes.items()}
        return {**counts, **rows, **{f"psi_{shift.column}": round(shift.psi, 4) for shift in self.shifts}}


def validate(module: UseCase, parts: Parts, champion: Champion | None) -> Findings:
    """Check the data of a run.

    Args:
        module: The use case, whose schema and plan say what must hold.
        parts: The rows; their index has the rows' numbers in the data as loaded.
        champion: The version that serves now; None where there is none to compare with.

    Returns:
        What was checked and found; a check that cannot be done, as columns are wrong, says so.
    """
    schema, rows = module.schema(), LoadedRows.of(parts)
    sizes = {name: int(inside.sum()) for name, inside in rows.by_part()}
    checks = check_schema(rows, schema)
    findings = [finding for check in checks for finding in check.findings]
    if any(not finding.rows for finding in findings):
        skipped = Check("all other checks", "", "not done: the columns are not those of the schema", done=False)
        return Findings((*checks, skipped), (), sizes)
    checks += [
        check_sizes(rows, module.PLAN),
        check_balance(rows, module.PLAN),
        check_duplicates(rows, module, schema),
    ]
    if champion is None:
        checks.append(Check("against the champion", "", "there is no champion yet", done=False))
        return Findings(tuple(checks), (), sizes)
    if any(finding.check == "missing values" for finding in findings):
        checks.append(Check("against the champion", "", "not done: values are missing", done=False))
        return Findings(tuple(checks), (), sizes)
    distribution, shifts = check_distribution(rows, module, champion.reference, schema)
    checks += [distribution, check_agreement(rows, module, champion)]
    return Findings(tuple(checks), tuple(shifts), sizes)
