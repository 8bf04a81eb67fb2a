# SPDX-License-Identifier: Apache-2.0
"""Models and versions described for a person, or as a document for a program."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pipelines.registry.aliases import CHAMPION, PREVIOUS, AliasChange, Aliases
from pipelines.registry.stored_version import StoredVersion

_HEADS: Final = ("MODEL", "VERSION", "ALIASES", "PUBLISHED (UTC)", "METRIC", "DATA", "SIZE")
_DIGITS: Final = 12
_GAP: Final = "  "
_THOUSAND: Final = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A version of a model, with the model's aliases."""

    model: str
    stored: StoredVersion
    aliases: Aliases

    @property
    def own_aliases(self) -> list[str]:
        """The aliases of this version."""
        return self.aliases.of(self.stored.version)


def table(rows: Sequence[Row]) -> str:
    """Return versions as a table, and below it a sentence for each whose manifest cannot be read."""
    lines = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    shown = [_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*shown, *(row.stored.fault for row in rows if row.stored.fault)])


def page(row: Row) -> str:
    """Return a page on one version: where it is, how good it is, where it comes from, what names it has had."""
    stored, manifest = row.stored, row.stored.manifest
    aliases = f" ({', '.join(row.own_aliases)})" if row.own_aliases else ""
    lines = [
        f"{row.model} {stored.version}{aliases}",
        f"  {stored.address}",
        f"  published {_time(stored.published)} UTC, {size(stored.size)}",
    ]
    if manifest is None:
        return "\n".join([*lines, f"  {stored.fault}"])
    lines += _section("metrics", _pairs(manifest.metrics))
    lines += _section("lineage", _pairs(manifest.lineage))
    lines += _section("history of its aliases", history(row.aliases.history, stored.version))
    return "\n".join(lines)


def document(row: Row) -> dict[str, Any]:
    """Return what there is to know of a version, for a program."""
    stored, manifest = row.stored, row.stored.manifest
    return {
        "model": row.model,
        "version": stored.version,
        "address": stored.address,
        "aliases": row.own_aliases,
        "published": stored.published.isoformat(timespec="seconds"),
        "bytes": stored.size,
        "metrics": None if manifest is None else dict(manifest.metrics),
        "lineage": None if manifest is None else dict(manifest.lineage),
        "fault": stored.fault or None,
    }


def names(aliases: Aliases) -> str:
    """Return in one line what aliases name."""
    return ", ".join(f"{alias} is {version}" for alias, version in aliases.named().items()) or "no aliases"


def history(changes: Iterable[AliasChange], version: str) -> list[str]:
    """Return the changes that gave a version an alias or took one from it, a line for each, oldest first."""
    told = [
        (change.time, alias, f"{former or 'none'} -> {now or 'none'}", change.reason)
        for change, alias, former, now in _moves(changes)
        if version in (former, now)
    ]
    widths = [max((len(line[column]) for line in told), default=0) for column in range(3)]
    return [
        _GAP.join([*(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True)), line[3]]).rstrip()
        for line in told
    ]


def size(count: int) -> str:
    """Return a number of bytes as people read it, in powers of a thousand."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _THOUSAND:
            break
        amount, unit = amount / _THOUSAND, larger
    return f"{count} B" if unit == "B" else f"{amount:.3g} {unit}"


def _moves(changes: Iterable[AliasChange]) -> Iterator[tuple[AliasChange, str, str | None, str | None]]:
    """Yield each alias's moves from one version to another, those of ``previous`` behind a new champion included."""
    named: dict[str, str | None] = {}
    for change in changes:
        former = named.get(change.alias)
        yield change, change.alias, former, change.version
        if change.alias == CHAMPION and change.version and former not in (None, change.version):
            yield change, PREVIOUS, named.get(PREVIOUS), former
            named[PREVIOUS] = former
        named[change.alias] = change.version


def _cells(row: Row) -> tuple[str, ...]:
    stored, manifest = row.stored, row.stored.manifest
    return (
        row.model,
        stored.version,
        ", ".join(row.own_aliases) or "-",
        _time(stored.published),
        _metric(manifest.metrics) if manifest else "unreadable",
        _digest(manifest.lineage) if manifest else "-",
        size(stored.size),
    )


def _metric(metrics: Mapping[str, float | int | str]) -> str:
    """Return the main metric: the artifact lists it first."""
    for name, value in metrics.items():
        return f"{name} {_figure(value)}"
    return "-"


def _digest(lineage: Mapping[str, float | int | str]) -> str:
    return str(lineage.get("data_digest", "")).removeprefix("sha256:")[:_DIGITS] or "-"


def _figure(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _section(title: str, entries: Iterable[str]) -> list[str]:
    listed = [f"  {entry}" for entry in entries]
    return ["", title, *listed] if listed else []


def _pairs(values: Mapping[str, float | int | str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"{name:<{width}}  {_figure(value)}" for name, value in values.items()]
