# SPDX-License-Identifier: Apache-2.0
"""Reading data: where from, of which kind, and with columns of the schema's dtypes."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from pipelines.data.source import Data, digest_of_data, read_data, read_table
from pipelines.data.typed_columns import typed
from pipelines.use_cases import use_case
from pipelines.use_cases.package_data import DataError
from tests.pipelines.registry.s3_server import BUCKET, Store, s3_server

KEYS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret"}
NOT_SET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")

MIDDAY = pd.Timestamp("2026-03-01T12:30")
MIDDAY_UTC = MIDDAY.tz_localize("UTC")

HEADER = "user_id,item_id,rating,timestamp\n"
RATINGS = f"{HEADER}1,10,3.5,1000000000\n2,11,4.0,1000000001\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with s3_server(KEYS) as running:
        yield running


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    """An empty bucket, and an environment in which it is found."""
    for name in NOT_SET:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with server.bucket():
        yield server


def test_csv_is_typed_by_the_schema_and_digested_as_it_lies_there(tmp_path: Path) -> None:
    file = written(tmp_path, RATINGS)
    data = read_data(use_case("recommender"), str(file))
    assert [str(dtype) for dtype in data.frame.dtypes] == ["int64", "int64", "float64", "int64"]
    assert data.frame["rating"].tolist() == [3.5, 4.0]
    assert data.digest == f"sha256:{hashlib.sha256(RATINGS.encode()).hexdigest()}"
    assert digest_of_data(use_case("recommender"), file.as_uri()) == data.digest
    assert data.source == str(file)


def test_parquet_of_narrower_numbers_is_the_same_data(tmp_path: Path) -> None:
    expected = read_data(use_case("recommender"), str(written(tmp_path, RATINGS))).frame
    narrow = expected.astype({"user_id": "int32", "rating": "float32", "timestamp": "float64"})
    narrow.set_index(pd.Index([7, 8])).to_parquet(tmp_path / "data.parquet")
    found = read_data(use_case("recommender"), f"file://{tmp_path}/data.parquet").frame
    pd.testing.assert_frame_equal(found, expected)


def test_numbers_of_csv_are_exact_and_texts_are_left_as_they_are(tmp_path: Path) -> None:
    products = use_case("maintenance").load().head(50).assign(torque=lambda rows: rows["torque"] / 3)
    products.to_csv(tmp_path / "data.csv", index=False)
    pd.testing.assert_frame_equal(read_data(use_case("maintenance"), str(tmp_path / "data.csv")).frame, products)
    messages = pd.DataFrame({"label": ["ham", "spam"], "text": ["NA", '007, "quoted"\nand on']})
    messages.to_csv(tmp_path / "data.csv", index=False)
    assert read_data(use_case("spam"), str(tmp_path / "data.csv")).frame["text"].tolist() == messages["text"].tolist()


def test_the_own_source_is_digested_as_its_rows_in_csv() -> None:
    module = use_case("spam")
    data = read_data(module, "")
    assert data.source == module.PLAN.source
    assert data.digest == digest_of_data(module, "")
    assert data.digest == f"sha256:{hashlib.sha256(data.frame.to_csv(index=False).encode()).hexdigest()}"


def test_a_bucket_is_read_at_the_endpoint_that_the_environment_names(store: Store) -> None:
    store.put("team/data.csv", RATINGS.encode())
    data = read_data(use_case("recommender"), f"s3://{BUCKET}/team/data.csv")
    assert (len(data.frame), data.digest) == (2, f"sha256:{hashlib.sha256(RATINGS.encode()).hexdigest()}")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"s3://{BUCKET}/none.csv", f"s3://{BUCKET}/none.csv: there is no such object"),
        ("s3://elsewhere/team/none.csv", "s3://elsewhere/team/none.csv: there is no such object"),
    ],
    ids=["no object", "no bucket"],
)
def test_what_is_not_in_a_bucket_is_said(store: Store, address: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_data(use_case("recommender"), address)


def test_refused_access_to_a_bucket_says_what_to_set(store: Store) -> None:
    with store.checked_credentials(), pytest.raises(DataError, match=r"access is refused .*set AWS_ACCESS_KEY_ID"):
        read_data(use_case("recommender"), f"s3://{BUCKET}/data.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"", "data.csv: the file is empty"),
        ("data.csv", HEADER.encode(), "data.csv: has no rows"),
        ("data.csv", b"\xff\xfe\x00", "data.csv: is not UTF-8 text"),
        ("data.csv", "a,b\n1,2\n".encode("utf-16-le"), r"data.csv: is not UTF-8 text \(byte 1 is 0\)"),
        ("data.csv", b"a,b\n1,x\0y\n", r"data.csv: is not UTF-8 text \(byte 7 is 0\)"),
        ("data.csv", b"a,b,a\n1,2,3\n", 'data.csv: has more than one column "a"; leave one'),
        ("data.csv", RATINGS.replace(",", ";").encode(), "it has user_id;item_id;rating;timestamp: .* with commas"),
        ("data.csv", b"a,b\n1,2\n1,2,3\n", "data.csv: cannot be read as CSV: .*Expected 2 fields in line 3, saw 3"),
        ("data.csv", b"a,b\n1,2,3\n", "data.csv: cannot be read as CSV: Length of header or names does not match"),
        ("data.parquet", RATINGS.encode(), "data.parquet: cannot be read as Parquet: .*magic bytes"),
        ("data.json", b"{}", r"data.json: data must be one \.csv or \.parquet file"),
    ],
    ids=[
        "empty",
        "only a header",
        "binary",
        "UTF-16",
        "a zero byte",
        "a name twice",
        "semicolons",
        "a long row",
        "a long first row",
        "no Parquet",
        "another kind",
    ],
)
def test_a_file_that_is_no_data_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        read_data(use_case("recommender"), str(tmp_path / name))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere.csv", "nowhere.csv: cannot be read: No such file or directory"),
        ("http://host/data.csv", "http://host/data.csv: data are read from a path, file://, s3:// or gs://"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(address: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        digest_of_data(use_case("recommender"), address)


def test_wrong_column_names_are_told_with_those_that_are_there(tmp_path: Path) -> None:
    file = written(tmp_path, RATINGS.replace("item_id", "movie").replace("rating", "stars"))
    with pytest.raises(DataError, match=r'has no columns "item_id", "rating"; it has user_id, movie, stars, timestamp'):
        read_data(use_case("recommender"), str(file))


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("user_id", ["1", "2.5", "x"], r"2 values cannot be read as a whole number of that size, such as '2.5'"),
        ("user_id", ["1", "1_0", "99999999999999999999"], "2 values cannot be read as a whole number"),
        ("rating", ["1", "1,5", "true"], r"2 values cannot be read as a finite number, such as '1,5', in rows 1 and 2"),
        (
            "rating",
            ["inf", "1e999", "NaN"],
            r"2 values cannot be read as a finite number, such as 'inf', in rows 0 and 1",
        ),
    ],
)
def test_a_value_of_another_type_is_named_by_column_and_row(
    tmp_path: Path, column: str, values: list[str], said: str
) -> None:
    frame = read_table(str(written(tmp_path, RATINGS))).frame
    pd.concat([frame, frame[:1]]).assign(**{column: values}).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(DataError, match=rf'column "{column}": {said}'):
        read_data(use_case("recommender"), str(tmp_path / "data.csv"))


@pytest.mark.parametrize("word", ["yes", "2", "tru"])
def test_only_true_false_1_and_0_are_booleans(tmp_path: Path, word: str) -> None:
    products = use_case("maintenance").load().head(4).astype({"failure": object})
    right = products.assign(failure=["TRUE", "false", "1", "0"])
    assert parsed(tmp_path, right).frame["failure"].tolist() == [True, False, True, False]
    with pytest.raises(DataError, match=rf'column "failure": 1 value .* true or false, such as \'{word}\', in row 2'):
        parsed(tmp_path, products.assign(failure=["true", "false", word, ""]))


NULLABLE = "Int64"
NO_ZONE, ZONE = "datetime64[ns]", "datetime64[ns, UTC]"


@pytest.mark.parametrize(
    ("dtype", "texts", "expected"),
    [
        (NULLABLE, ["9007199254740993", "", "2.0"], [9007199254740993, pd.NA, 2]),
        ("float32", ["0.5", "", "1e30"], [0.5, None, float(np.float32(1e30))]),
        (NO_ZONE, ["2026-03-01", "", "2026-03-01T12:30"], [pd.Timestamp("2026-03-01"), pd.NaT, MIDDAY]),
        (ZONE, ["2026-03-01T13:30+01:00", "", "2026-03-01 12:30Z"], [MIDDAY_UTC, pd.NaT, MIDDAY_UTC]),
    ],
)
def test_columns_of_ones_own_have_their_dtype_and_may_lack_values(
    tmp_path: Path, dtype: str, texts: list[str], expected: list[object]
) -> None:
    found = own(tmp_path, dtype, texts)["a"]
    pd.testing.assert_series_equal(found, pd.Series(expected, name="a", dtype=dtype))


@pytest.mark.parametrize(
    ("dtype", "texts", "said"),
    [
        (
            NULLABLE,
            ["1", "9223372036854775808"],
            "a whole number of that size, such as '9223372036854775808', in row 1",
        ),
        ("float32", ["1", "1e39"], "a finite number, such as '1e39', in row 1"),
        (NO_ZONE, ["2026-03-01", "2026-03-01T12:30Z"], "a time in ISO 8601 without a zone, such as .*, in row 1"),
        (ZONE, ["2026-03-01T12:30", "2026-03-01T12:30Z"], r"a time in ISO 8601 with its zone .*, in row 0"),
        (NO_ZONE, ["2026-13-01", "2026-03-01"], "a time in ISO 8601 without a zone, such as '2026-13-01', in row 0"),
    ],
)
def test_what_a_column_of_ones_own_cannot_hold_is_named(
    tmp_path: Path, dtype: str, texts: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=f'column "a": 1 value cannot be read as {said}'):
        own(tmp_path, dtype, texts)


def test_values_that_are_missing_stay_missing_in_any_type(tmp_path: Path) -> None:
    products = use_case("maintenance").load().head(4).astype(object)
    products.loc[1, ["product_type", "torque", "tool_wear", "failure"]] = [None, "n/a", "", "NaN"]
    found = parsed(tmp_path, products).frame
    columns = ["product_type", "torque", "tool_wear", "failure"]
    assert found[columns].isna().sum().to_dict() == dict.fromkeys(columns, 1)
    assert found["tool_wear"].dtype == np.float64


def written(folder: Path, content: str) -> Path:
    file = folder / "data.csv"
    file.write_text(content)
    return file


def parsed(folder: Path, frame: pd.DataFrame) -> Data:
    content = io.StringIO()
    frame.to_csv(content, index=False)
    return read_data(use_case("maintenance"), str(written(folder, content.getvalue())))


def own(folder: Path, dtype: str, texts: list[str]) -> pd.DataFrame:
    """Return a file of one column, "a", as read by a schema that gives it this dtype."""
    file = folder / "own.csv"
    pd.DataFrame({"a": texts, "b": "x"}).to_csv(file, index=False)
    schema = pa.DataFrameSchema({"a": pa.Column(dtype, nullable=True), "b": pa.Column(str)})
    return typed(read_table(str(file)).frame, schema, "own.csv")
