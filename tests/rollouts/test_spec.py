# SPDX-License-Identifier: Apache-2.0
"""What is read of a ModelRollout's object."""

import pytest

from rollouts.errors import SpecError
from rollouts.spec import Rollout, read_rollout
from tests.rollouts.controller.api_server import rollout


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("s3://models/spam/1.1.0", "s3://models/spam/1.1.0/"),
        ("gs://models/spam/1.1.0//", "gs://models/spam/1.1.0/"),
        ("s3://models/spam/1.1.0.tgz", "s3://models/spam/1.1.0.tgz"),
        ("https://models.example/spam/1.1.0.tar.gz", "https://models.example/spam/1.1.0.tar.gz"),
        ("pvc://models/spam/1.1.0", "pvc://models/spam/1.1.0"),
    ],
)
def test_an_artifact_is_named_as_kserve_loads_it_and_its_version_the_same_in_every_form(uri: str, read: str) -> None:
    found = _read(uri)
    assert (found.storage_uri, found.version) == (read, "1.1.0")


def test_an_artifact_that_kserve_cannot_read_is_an_error_that_names_the_field() -> None:
    with pytest.raises(SpecError, match=r"^spec\.storageUri: ftp://models/spam/1\.1\.0: KServe reads no ftp://"):
        _read("ftp://models/spam/1.1.0")


@pytest.mark.parametrize(("key", "word"), [("whenBusy", "Soon"), ("end", "Halt")])
def test_a_choice_that_there_is_not_is_an_error_that_names_the_field(key: str, word: str) -> None:
    document = rollout()
    with pytest.raises(SpecError, match=rf"^spec\.{key}: '{word}' must be "):
        read_rollout({**document, "spec": {**document["spec"], key: word}})


def _read(storage_uri: str) -> Rollout:
    document = rollout()
    return read_rollout({**document, "spec": {**document["spec"], "storageUri": storage_uri}})
