# SPDX-License-Identifier: Apache-2.0
"""A batch of rows scored by a model's champion, its predictions written once: ``<out>/<model>/<batch>/``.

The rows go through the model as it is served, no more at once than a server joins, so that every number is the one that
a client would get.
"""

import io
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.batch.tensors import input_tensors
from pipelines.data.source import read_data, read_table
from pipelines.errors import PipelineError, StepError
from pipelines.registry import open_registry
from pipelines.registry.folder_store import FolderStore
from pipelines.registry.object_store import ObjectStore
from pipelines.registry.store import Store
from pipelines.use_cases import NAMES, UseCase
from pipelines.use_cases import use_case as find_use_case
from pipelines.use_cases.use_case import Progress, silent
from predictors.artifact import GOLDEN, open_artifact
from predictors.errors import InvalidRequestError, quoted_names
from predictors.golden import GoldenRequests, golden_inputs
from predictors.joining import joins_exactly
from predictors.loading import LoadPolicy, load
from predictors.rows import number_of_rows, take
from predictors.served_model import ServedModel
from predictors.signature import Tensors

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FILE: Final = "predictions.parquet"
#: The row's number in the batch, the first one being 0.
ROW: Final = "row"
VERSION: Final = "model_version"
#: As many as a server joins by default.
CHUNK: Final = 64
_BATCH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
_ROW_OF_CHUNK: Final = re.compile(r"\brow (\d+)\b")


@dataclass(frozen=True)
class ScoredBatch:
    """A batch whose predictions are there.

    Attributes:
        address: Their file.
        model: The model's name.
        batch: The batch's name.
        version: The version that scored it; empty where it was scored before.
        rows: How many rows were scored; 0 where it was scored before.
        new: Whether it was scored now.
    """

    address: str
    model: str
    batch: str
    version: str = ""
    rows: int = 0
    new: bool = True

    @property
    def line(self) -> str:
        """What came of it, in one line."""
        if not self.new:
            return f"batch {self.batch} of {self.model} was scored before, and is left as it is: {self.address}"
        return f"scored {self.rows:,} rows of batch {self.batch} with {self.model} {self.version}: {self.address}"


def score(
    use_case: str,
    *,
    root: str,
    out: str,
    data: str = "",
    batch: str = "",
    tell: Progress = silent,
) -> ScoredBatch:
    """Score a batch with the champion and write its predictions, unless they are there.

    The file has, for each row, its number ``row``, the columns of the data but for the label, the model's outputs, and
    ``model_version``. It is there whole or not at all.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        out: Where predictions go: a folder, ``s3://`` or ``gs://``.
        data: The rows, a CSV or Parquet file; empty takes the use case's own source.
        batch: The batch's name; empty takes the hour that it is, UTC.
        tell: Is told what takes long.

    Raises:
        PipelineError: There is no such use case, no champion, or the batch's name is none.
        StepError: Rows cannot be scored; says which and why.
        DataError: The data cannot be read.
        RegistryError: The registry or the place for predictions cannot be reached.
        ArtifactError: The champion cannot be loaded.
    """
    module = find_use_case(use_case)
    name = module.PLAN.name
    batch = batch or f"{datetime.now(UTC):%Y-%m-%dT%H}"
    if not _BATCH.fullmatch(batch):
        raise PipelineError(f'"{batch}" names no batch: use letters, digits and . _ : + -, as in 2026-11-25T10')
    store = _store(out)
    path = f"{name}/{batch}/{FILE}"
    there = ScoredBatch(f"{store.root}/{path}", name, batch, new=False)
    if FILE in store.files(f"{name}/{batch}"):
        return there
    with tempfile.TemporaryDirectory(prefix="portside-scoring-") as folder:
        model, together = _champion(use_case, name, root, Path(folder))
        rows, kept, address = _rows(module, model, data)
        tensors = input_tensors(rows, model.signature, address)
        tell(f"scoring {len(rows):,} rows of {address} with {name} {model.version}")
        outputs = predictions(model, tensors, address, chunk=CHUNK if together else 1)
    content = _parquet(_table(kept, outputs, model), {"model": name, "version": model.version, "batch": batch})
    if not store.create(path, content):
        return there
    return ScoredBatch(there.address, name, batch, model.version, len(rows))


def predictions(model: ServedModel, tensors: Tensors, address: str, *, chunk: int = CHUNK) -> Tensors:
    """Return the model's outputs for all rows.

    Args:
        model: The model as it is served.
        tensors: The rows, as input tensors.
        address: Where the rows come from, for the error.
        chunk: How many rows are scored at once.

    Raises:
        StepError: The model refuses rows; the text says which and why.
    """
    parts = []
    for start in range(0, number_of_rows(tensors), chunk):
        part = take(tensors, slice(start, start + chunk))
        try:
            parts.append(model.predict(model.reader.complete(part)))
        except InvalidRequestError as err:
            raise _refusal(model, part, start, address, err) from err
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _champion(use_case: str, name: str, root: str, folder: Path) -> tuple[ServedModel, bool]:
    """Return the champion, and whether it answers rows together as it does each alone."""
    registry = open_registry(root)
    version = registry.aliases(name).champion
    if version is None:
        raise PipelineError(
            f"{registry.root}: {name} has no champion to score with; train one with `portside pipeline run {use_case}`"
            f", or name one with `portside models tag {name} VERSION champion`"
        )
    place = registry.fetch(name, version, folder)
    # What lies there was packed by our own pipelines, and its seal was just checked.
    own = () if use_case in NAMES else (use_case.partition(".")[0],)
    model = load(place, LoadPolicy(allow_pickle=True, allow_imports=own))
    if model.joins:
        return model, True
    golden = GoldenRequests.model_validate_json(open_artifact(place).path(GOLDEN).read_bytes())
    return model, joins_exactly(model, golden_inputs(model, golden))


def _rows(module: UseCase, model: ServedModel, data: str) -> "tuple[pd.DataFrame, pd.DataFrame, str]":
    """Return the rows, the columns to be kept beside the predictions, and where they are from."""
    own = not data
    table = read_data(module, "") if own else read_table(data)
    rows = module.features(table.frame) if own else table.frame
    # Where features are not one for each row, as users of ratings, the other columns belong to no single one.
    kept = table.frame if rows.index.equals(table.frame.index) else rows
    kept = kept[[column for column in kept if column != module.PLAN.target]]
    clash = sorted({ROW, VERSION, *(spec.name for spec in model.signature.outputs)}.intersection(kept))
    if clash:
        raise StepError(
            f"{table.source}: has the column {quoted_names(clash)}, as the predictions have; rename it in the data"
        )
    return rows.reset_index(drop=True), kept.reset_index(drop=True), table.source


def _refusal(model: ServedModel, part: Tensors, start: int, address: str, err: InvalidRequestError) -> StepError:
    """Return what the model says of its rows, their numbers being those of the batch."""
    told = _ROW_OF_CHUNK.sub(lambda found: f"row {start + int(found[1])}", str(err))
    bad = [start + row for row in range(number_of_rows(part)) if not _is_scored(model, take(part, slice(row, row + 1)))]
    also = (
        f"; it refuses rows {', '.join(map(str, bad))}" if len(bad) > 1 else f"; it refuses row {bad[0]}" if bad else ""
    )
    return StepError(f"{address}: {told}{also} (row 0 is the first); correct these rows, or leave them out")


def _is_scored(model: ServedModel, row: Tensors) -> bool:
    try:
        model.predict(model.reader.complete(dict(row)))
    except InvalidRequestError:
        return False
    return True


def _table(kept: "pd.DataFrame", outputs: Tensors, model: ServedModel) -> "pa.Table":
    import pyarrow as pa

    count = number_of_rows(outputs)
    columns = {ROW: pa.array(np.arange(count, dtype=np.int64))}
    for column in kept:
        columns[str(column)] = pa.array(kept[column], from_pandas=True)
    columns.update({name: _arrow(array) for name, array in outputs.items()})
    columns[VERSION] = pa.array([model.version] * count)
    return pa.table(columns)


def _arrow(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> "pa.Array":
    import pyarrow as pa

    if array.ndim == 1:
        return pa.array(array, type=pa.string()) if array.dtype == object else pa.array(array)
    values = _arrow(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values


def _parquet(table: "pa.Table", about: dict[str, str]) -> bytes:
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), content, compression="zstd")
    return content.getvalue()


def _store(out: str) -> Store:
    scheme, parted, place = out.partition("://")
    if parted and scheme != "file":
        return ObjectStore(out)
    return FolderStore(Path(place if parted else out))
