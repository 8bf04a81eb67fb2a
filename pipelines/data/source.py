# SPDX-License-Identifier: Apache-2.0
"""Where the data of a run come from: a CSV or Parquet file, local or in a bucket, or the use case's own source."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from pipelines.data.typed_columns import typed, with_none
from pipelines.lineage import rows_digest
from pipelines.registry import RegistryError
from pipelines.registry.object_store import ObjectStore
from pipelines.use_cases import UseCase
from pipelines.use_cases.package_data import DataError

_BUCKETS: Final = ("s3", "gs")
_SUFFIXES: Final = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of one source.

    Attributes:
        frame: One observation a row, numbered from 0; the columns of the schema have its dtypes.
        digest: ``sha256:`` and the digest of the file's bytes; of the own source, of its rows as CSV.
        source: Where they are from, as the lineage says it.
    """

    frame: pd.DataFrame
    digest: str
    source: str


def read_data(module: UseCase, data: str) -> Data:
    """Return the data that a run names, their columns typed by the use case's schema.

    Args:
        module: The use case.
        data: A path, ``file://``, ``s3://`` or ``gs://`` of a CSV or Parquet file; empty for the use case's own source.

    Raises:
        DataError: The file cannot be read, is empty or of another kind, lacks a column that the schema asks for, or a
            value cannot be of its column's dtype.
    """
    if not data:
        frame = module.load().reset_index(drop=True)
        return Data(frame, rows_digest(frame), module.PLAN.source)
    table = read_table(data)
    schema = module.schema()
    missing = [name for name, column in schema.columns.items() if column.required and name not in table.frame]
    if missing:
        advice = "name the columns as the use case's schema does"
        if table.frame.shape[1] == 1 < len(schema.columns):
            advice += ", with commas between them"
        raise DataError(
            f"{data}: has no {_columns(missing)}; it has {', '.join(map(str, table.frame.columns))}: {advice}"
        )
    return Data(typed(table.frame, schema, data), table.digest, data)


def read_table(address: str) -> Data:
    """Return the rows of a CSV or Parquet file, of CSV all columns as text: ``None`` where a field is empty.

    Args:
        address: A path, ``file://``, ``s3://`` or ``gs://``. Of S3 the usual settings hold, ``AWS_ENDPOINT_URL`` too.

    Raises:
        DataError: The file cannot be read, is empty, or is of another kind.
    """
    content = _content(address)
    frame = _read_csv(content, address) if _suffix(address) == ".csv" else _read_parquet(content, address)
    if frame.empty:
        raise DataError(f"{address}: has no rows; give data with at least some hundred")
    return Data(frame, _digest(content), address)


def digest_of_data(module: UseCase, data: str) -> str:
    """Return the digest that ``read_data`` gives, of data that are not parsed.

    Raises:
        DataError: The file cannot be read, or is empty.
    """
    return _digest(_content(data)) if data else rows_digest(module.load())


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _suffix(address: str) -> str:
    suffix = Path(address).suffix.lower()
    if suffix not in _SUFFIXES:
        raise DataError(f"{address}: data must be one .csv or .parquet file")
    return suffix


def _content(address: str) -> bytes:
    scheme, parted, place = address.partition("://")
    _suffix(address)
    if parted and scheme in _BUCKETS:
        folder, _, name = address.rpartition("/")
        content = _object(folder, name, address)
    elif parted and scheme != "file":
        raise DataError(f"{address}: data are read from a path, file://, s3:// or gs://")
    else:
        content = _local(Path(place if parted else address))
    if not content:
        raise DataError(f"{address}: the file is empty")
    return content


def _object(folder: str, name: str, address: str) -> bytes:
    try:
        content = ObjectStore(folder).read(name)
    except RegistryError as err:
        raise DataError(str(err)) from err
    if content is None:
        raise DataError(f"{address}: there is no such object; correct its bucket or its path")
    return content


def _local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise DataError(f"{path}: cannot be read: {err.strerror}") from err


def _read_csv(content: bytes, address: str) -> pd.DataFrame:
    if (place := content.find(b"\0")) >= 0:
        # pandas would end the field there; text in UTF-16 has many.
        raise DataError(f"{address}: is not UTF-8 text (byte {place} is 0); save it as CSV in UTF-8")
    told: dict[str, Any] = {"dtype": str, "encoding": "utf-8-sig", "keep_default_na": False, "na_values": [""]}
    try:
        with warnings.catch_warnings():
            # Said where the first row has more fields than the header has names: pandas would drop what is over.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(io.BytesIO(content), index_col=False, **told)
        header = pd.read_csv(io.BytesIO(content), header=None, nrows=1, **told).iloc[0]
    except UnicodeDecodeError as err:
        raise DataError(f"{address}: is not UTF-8 text (byte {err.start}); save it as CSV in UTF-8") from err
    except (ValueError, pd.errors.ParserWarning) as err:
        raise DataError(f"{address}: cannot be read as CSV: {_first_line(err)}") from err
    twice = header[header.duplicated() & header.notna()].tolist()
    if twice:
        raise DataError(
            f"{address}: has more than one {_columns(twice[:1])}; leave one, or give them names of their own"
        )
    return frame.apply(with_none)


def _read_parquet(content: bytes, address: str) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(io.BytesIO(content)).reset_index(drop=True)
    except (ArrowException, OSError, ValueError) as err:
        raise DataError(f"{address}: cannot be read as Parquet: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return " ".join(str(err).splitlines()[0].split()).removesuffix(".")


def _columns(names: list[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} " + ", ".join(f'"{name}"' for name in names)
