# SPDX-License-Identifier: Apache-2.0
"""An artifact described for a person, or as JSON for a program."""

from collections.abc import Iterable, Mapping

import orjson

from predictors.artifact import Artifact
from predictors.scorers.choice import judge_scorers
from predictors.signature import Column, TensorSpec


def describe(artifact: Artifact) -> str:
    """Return a page of text: what the model takes and gives, how good it is, where it comes from, what serves it."""
    manifest = artifact.manifest
    estimator = manifest.estimator
    lines = [
        f"{manifest.name} {manifest.version}",
        f"  {estimator.type} in {estimator.file}" if estimator else "  a plain ONNX model",
        f"  {len(manifest.files)} files, digests verified" + (", signature verified" if artifact.signed else ""),
    ]
    if manifest.processing:
        lines.append(f"  processing: {manifest.processing}")
    lines += _section("inputs", (_tensor(spec) for spec in manifest.signature.inputs))
    lines += _section("outputs", (_tensor(spec) for spec in manifest.signature.outputs))
    lines += _section("metrics", _pairs(manifest.metrics))
    lines += _section("lineage", _pairs(manifest.lineage))
    lines += _section("libraries", _pairs(manifest.libraries))
    verdicts = judge_scorers(manifest)
    lines += _section("scorers", (f"{v.name}{' (serves)' if v.serves else ''}: {v.reason}" for v in verdicts))
    return "\n".join(lines)


def describe_json(artifact: Artifact) -> str:
    """Return the manifest with the verdict on each scorer, as JSON."""
    document = artifact.manifest.model_dump(mode="json")
    document["signature_verified"] = artifact.signed
    document["scorers"] = [
        {"name": verdict.name, "serves": verdict.serves, "reason": verdict.reason}
        for verdict in judge_scorers(artifact.manifest)
    ]
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _section(title: str, entries: Iterable[str]) -> list[str]:
    listed = [f"  {entry}" for entry in entries]
    return ["", title, *listed] if listed else []


def _pairs(values: Mapping[str, float | int | str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [
        f"{name:<{width}}  {f'{value:.6g}' if isinstance(value, float) else value}" for name, value in values.items()
    ]


def _tensor(spec: TensorSpec) -> str:
    shape = ", ".join(
        "rows" if axis == 0 and size == -1 else "any" if size == -1 else str(size)
        for axis, size in enumerate(spec.shape)
    )
    told = [_column(column, alone=len(spec.columns) == 1) for column in spec.columns]
    if spec.default is not None:
        told.append(f"optional, {', '.join(map(str, spec.default))} when left out")
    if spec.labels is not None and len(spec.labels) <= 10:  # noqa: PLR2004 (what fits on a line)
        told.append("of " + ", ".join(map(str, spec.labels)))
    tail = f": {'; '.join(told)}" if told else ""
    return f"{spec.name} {spec.datatype} [{shape}]{tail}"


def _column(column: Column, *, alone: bool) -> str:
    name = "" if alone else f"{column.name} "
    missing = ", may be missing" if column.missing else ""
    if column.categories is not None:
        values = ", ".join(column.categories[:8]) + (", ..." if len(column.categories) > 8 else "")  # noqa: PLR2004
        return f"{name}one of {values}{missing}"
    if column.minimum is not None and column.maximum is not None:
        return f"{name}{column.minimum:.6g} to {column.maximum:.6g}{missing}"
    return f"{name}{'text' if column.dtype == 'str' else column.dtype}{missing}"
