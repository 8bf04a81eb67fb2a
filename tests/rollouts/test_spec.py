# SPDX-License-Identifier: Apache-2.0
"""What is read of a ModelRollout's object."""

from dataclasses import replace

import pytest

from rollouts.errors import SpecError
from rollouts.phases import Phase
from rollouts.spec import Rollout, Step, read_rollout
from tests.rollouts.controller.api_server import rollout
from tests.rollouts.world import Version, World


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


@pytest.mark.parametrize(
    "uri", ["s3://models/spam/1.1.0", "s3://models/spam/1.1.0.tar.gz", "gs://models/spam/1.1.0.zip"]
)
def test_a_folder_and_an_archive_are_rolled_out_under_the_name_that_kserve_loads_them_by(uri: str) -> None:
    asked = replace(_read(uri), steps=(Step(100),), min_requests=0)
    world = World(asked, Version())
    assert world.run(120).phase is Phase.PROMOTED
    assert world.served == (uri if uri != "s3://models/spam/1.1.0" else "s3://models/spam/1.1.0/")
    again = World(replace(asked, storage_uri=world.served.rstrip("/")), Version())
    again.former_uri = again.served = world.served
    assert again.tick().verdict == "spam serves 1.1.0 already"


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
