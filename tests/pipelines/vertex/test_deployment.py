# SPDX-License-Identifier: Apache-2.0
"""A published version on Vertex AI: registered, deployed with its share of the traffic, asked, and taken back."""

import re
import shutil
from pathlib import Path

import pytest

from pipelines.errors import PipelineError, StepError
from pipelines.vertex.connection import Vertex
from pipelines.vertex.deployment import deploy
from pipelines.vertex.endpoint import find_or_create
from pipelines.vertex.model_registry import Upload, move_aliases, upload_version
from tests.pipelines.vertex.fake_vertex import PARENT, PROJECT, REGION, FakeVertex
from tests.predictors.protocol_models import pack_models

IMAGE = "europe-west4-docker.pkg.dev/my-project/portside/portside@sha256:" + "a" * 64
OPTIONS = {"project": PROJECT, "region": REGION, "image": IMAGE}
ENDPOINT = f"{PARENT}/endpoints/iris"


class Registry:
    """A registry in Cloud Storage, as far as a deployment asks it."""

    def __init__(self, root: str = "gs://models") -> None:
        self.root = root

    def address(self, name: str, version: str) -> str:
        return f"{self.root}/{name}/{version}"


def deployed(bucket: Path, version: str, **options: str) -> str:
    return deploy(Registry(), "iris", version, bucket / "iris" / version, {**OPTIONS, **options})


def aliases(vertex: FakeVertex) -> list[list[str]]:
    return [sorted(version["versionAliases"]) for version in vertex.versions["iris"]]


def traffic(vertex: FakeVertex) -> dict[str, int]:
    """Return the share of each version by its number."""
    endpoint = vertex.endpoints[ENDPOINT]
    numbers = {one["id"]: one["modelVersionId"] for one in endpoint["deployedModels"]}
    assert set(endpoint["trafficSplit"]) <= set(numbers)
    return {number: endpoint["trafficSplit"].get(own, 0) for own, number in numbers.items()}


def test_the_first_version_makes_model_and_endpoint_and_gets_all_traffic(vertex: FakeVertex, bucket: Path) -> None:
    told = deployed(bucket, "1.0.0", traffic="10", replicas="1:3", machine_type="n2-standard-4", allow_pickle="true")
    page = f"https://console.cloud.google.com/vertex-ai/online-prediction/locations/{REGION}/endpoints/iris"
    assert told == f"{ENDPOINT} ({page}?project={PROJECT})"
    (version,) = vertex.versions["iris"]
    assert version["artifactUri"] == "gs://models/iris/1.0.0"
    container = version["containerSpec"]
    assert container["imageUri"] == IMAGE
    assert (container["predictRoute"], container["healthRoute"]) == ("/vertex/predict", "/vertex/health")
    assert container["ports"] == [{"containerPort": 8080}]
    assert {"name": "PREDICTOR_ALLOW_PICKLE", "value": "true"} in container["env"]
    assert aliases(vertex) == [["champion", "default", "v1-0-0"]]
    assert traffic(vertex) == {"1": 100}
    (model,) = vertex.endpoints[ENDPOINT]["deployedModels"]
    resources = model["dedicatedResources"]
    assert resources["machineSpec"] == {"machineType": "n2-standard-4"}
    assert (resources["minReplicaCount"], resources["maxReplicaCount"]) == (1, 3)


def test_a_new_version_takes_over_and_the_one_without_traffic_is_undeployed(vertex: FakeVertex, bucket: Path) -> None:
    deployed(bucket, "1.0.0")
    deployed(bucket, "1.1.0")
    assert traffic(vertex) == {"2": 100}
    assert aliases(vertex) == [["v1-0-0"], ["champion", "default", "v1-1-0"]]


def test_a_share_of_the_traffic_leaves_the_rest_to_the_former_version(vertex: FakeVertex, bucket: Path) -> None:
    deployed(bucket, "1.0.0")
    deployed(bucket, "1.1.0", traffic="10")
    assert traffic(vertex) == {"1": 90, "2": 10}


def test_the_same_deployment_once_more_changes_the_share_and_nothing_else(vertex: FakeVertex, bucket: Path) -> None:
    deployed(bucket, "1.0.0")
    deployed(bucket, "1.1.0", traffic="10")
    before = len(vertex.versions["iris"]), vertex.calls.count("POST endpoints:deployModel")
    deployed(bucket, "1.1.0", traffic="40")
    assert traffic(vertex) == {"1": 60, "2": 40}
    assert (len(vertex.versions["iris"]), vertex.calls.count("POST endpoints:deployModel")) == before
    deployed(bucket, "1.1.0")
    assert traffic(vertex) == {"2": 100}


def test_a_version_that_does_not_start_leaves_everything_as_it_was(vertex: FakeVertex, bucket: Path) -> None:
    deployed(bucket, "1.0.0")
    (bucket / "iris" / "1.1.0" / "linear.json").write_text("{}")
    intact = bucket.parent / "intact"
    _copy_of_published(vertex, bucket, intact)
    told = "iris 1.1.0 does not serve: Vertex AI refuses: Model server never became ready.* SHA-256 .*"
    with pytest.raises(StepError, match=f"^{told}; the former split of the traffic holds again$"):
        deploy(Registry(), "iris", "1.1.0", intact, OPTIONS)
    assert traffic(vertex) == {"1": 100}
    assert aliases(vertex) == [["champion", "default", "v1-0-0"], ["v1-1-0"]]


def _copy_of_published(vertex: FakeVertex, bucket: Path, folder: Path) -> None:
    """Have an intact copy of 1.1.0 in a folder, from which what was published differs."""
    import json

    from predictors.artifact import MANIFEST, sha256_of

    shutil.copytree(bucket / "iris" / "1.1.0", folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["linear.json"] = sha256_of(folder / "linear.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_version_that_answers_otherwise_than_it_was_packed_is_taken_back(
    vertex: FakeVertex, bucket: Path, artifacts: dict[str, Path]
) -> None:
    deployed(bucket, "1.0.0")
    vertex.buckets["gs://models/iris/1.1.0"] = artifacts["wrong"]
    told = "^iris 1.1.0 does not serve: the golden request '.*' is answered otherwise here: .*"
    with pytest.raises(StepError, match=f"{told}; the former split of the traffic holds again$"):
        deployed(bucket, "1.1.0")
    assert traffic(vertex) == {"1": 100}
    assert aliases(vertex)[0] == ["champion", "default", "v1-0-0"]


def test_a_version_with_a_share_is_asked_until_it_is_the_one_that_answers(
    vertex: FakeVertex, bucket: Path, artifacts: dict[str, Path]
) -> None:
    deployed(bucket, "1.0.0")
    vertex.buckets["gs://models/iris/1.1.0"] = artifacts["wrong"]
    with pytest.raises(StepError, match="is answered otherwise here"):
        deployed(bucket, "1.1.0", traffic="5")
    assert traffic(vertex) == {"1": 100}


def test_a_first_version_that_answers_wrong_leaves_an_empty_endpoint(
    vertex: FakeVertex, bucket: Path, artifacts: dict[str, Path]
) -> None:
    vertex.buckets["gs://models/iris/1.1.0"] = artifacts["wrong"]
    with pytest.raises(StepError, match=r"nothing serves at the endpoint, as before$"):
        deployed(bucket, "1.1.0")
    assert traffic(vertex) == {}


def test_a_deployment_that_takes_too_long_is_cancelled(vertex: FakeVertex, bucket: Path) -> None:
    deployed(bucket, "1.0.0")
    upload_version(Vertex(PROJECT, REGION), _upload(bucket, "1.1.0"))
    vertex.polls = 1000
    with pytest.raises(
        StepError, match=r"Vertex AI is not done after 0\.1 s, and was asked to give up projects/.*holds"
    ):
        deployed(bucket, "1.1.0", wait="0.1")
    assert "POST operations:cancel" in vertex.calls
    assert traffic(vertex) == {"1": 100}


def _upload(bucket: Path, version: str, digest: str | None = None) -> Upload:
    import hashlib

    content = (bucket / "iris" / version / "artifact.json").read_bytes()
    digest = digest or hashlib.sha256(content).hexdigest()
    return Upload("iris", version, f"gs://models/iris/{version}", IMAGE, digest)


def test_an_operation_that_takes_its_time_is_waited_for(vertex: FakeVertex, bucket: Path) -> None:
    vertex.polls = 1
    version = upload_version(Vertex(PROJECT, REGION), _upload(bucket, "1.0.0"))
    assert version.resource == f"{PARENT}/models/iris@1"


def test_a_version_is_uploaded_once_and_never_with_another_content(vertex: FakeVertex, bucket: Path) -> None:
    here = Vertex(PROJECT, REGION)
    first = upload_version(here, _upload(bucket, "1.0.0"))
    assert upload_version(here, _upload(bucket, "1.0.0")) == first
    with pytest.raises(PipelineError, match="is in Vertex AI's registry with another content; choose a new version"):
        upload_version(here, _upload(bucket, "1.0.0", digest="other"))
    assert len(vertex.versions["iris"]) == 1


def test_two_models_whose_names_make_one_id_are_told_apart(vertex: FakeVertex, bucket: Path) -> None:
    here = Vertex(PROJECT, REGION)
    upload_version(here, _upload(bucket, "1.0.0"))
    shouting = Upload("IRIS", "1.0.0", "gs://models/iris/1.0.0", IMAGE, "a")
    with pytest.raises(PipelineError, match='another model, "iris", has the id that "IRIS" would have'):
        upload_version(here, shouting)


def test_an_endpoint_of_another_name_is_taken_only_where_it_is_named(vertex: FakeVertex, bucket: Path) -> None:
    find_or_create(Vertex(PROJECT, REGION), "IRIS", {})
    with pytest.raises(StepError, match='another endpoint, "IRIS", has the id that the one of "iris" would have'):
        deployed(bucket, "1.0.0")
    assert traffic(vertex) == {}
    deployed(bucket, "1.0.0", endpoint="iris")
    assert traffic(vertex) == {"1": 100}


def test_a_version_may_be_the_default_from_the_start(vertex: FakeVertex, bucket: Path) -> None:
    from dataclasses import replace

    here = Vertex(PROJECT, REGION)
    upload_version(here, _upload(bucket, "1.0.0"))
    upload_version(here, replace(_upload(bucket, "1.1.0"), is_default=True))
    assert aliases(vertex) == [["v1-0-0"], ["default", "v1-1-0"]]


def test_aliases_move_to_a_version_and_back(vertex: FakeVertex, bucket: Path) -> None:
    here = Vertex(PROJECT, REGION)
    first, second = (upload_version(here, _upload(bucket, version)) for version in ("1.0.0", "1.1.0"))
    move_aliases(here, "iris", first, ("champion",))
    move_aliases(here, "iris", second, ("champion", "default"))
    assert aliases(vertex) == [["v1-0-0"], ["champion", "default", "v1-1-0"]]
    move_aliases(here, "iris", first, ("champion",))
    assert aliases(vertex) == [["champion", "v1-0-0"], ["default", "v1-1-0"]]


def test_an_endpoint_that_another_run_is_just_making_is_used(vertex: FakeVertex, bucket: Path) -> None:
    vertex.races = True
    deployed(bucket, "1.0.0")
    assert traffic(vertex) == {"1": 100}


def test_a_refused_upload_ends_the_step_with_one_sentence(vertex: FakeVertex, bucket: Path) -> None:
    vertex.buckets.clear()
    with pytest.raises(StepError, match=r"^Vertex AI refuses: There are no files under gs://models/iris/1\.0\.0$"):
        deployed(bucket, "1.0.0")


def test_an_upload_that_fails_later_is_told_too(vertex: FakeVertex, bucket: Path) -> None:
    vertex.failures["upload"] = (7, "The image cannot be pulled.")
    with pytest.raises(StepError, match=r"^Vertex AI refuses: .*The image cannot be pulled"):
        deployed(bucket, "1.0.0")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"image": "portside:0.1.0"}, "the option image=portside:0.1.0 must be an image in Artifact Registry"),
        ({"traffic": "0"}, "the option traffic=0 must be a number from 1 to 100"),
        ({"replicas": "3:1"}, "the option replicas=3:1 must be MIN or MIN:MAX"),
        ({"machine_type": "big"}, "the option machine_type=big must be a machine type of Compute Engine"),
        ({"allow_pickle": "maybe"}, "the option allow_pickle=maybe must be true or false"),
        ({"wait": "long"}, "the option wait=long must be a number of seconds"),
        ({"endpoint": "-"}, "the option endpoint=- must be a name that begins with a letter"),
        ({"region": "Europe"}, '"Europe" is no region of Vertex AI'),
        ({"service_account": "me"}, '"me" is no service account'),
        ({"cpu": "2"}, "there is no option cpu of a deployment on Vertex AI: there are allow_pickle, endpoint, image"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    vertex: FakeVertex, bucket: Path, options: dict[str, str], told: str
) -> None:
    with pytest.raises(StepError, match=f"^{re.escape(told)}"):
        deployed(bucket, "1.0.0", **options)
    assert not vertex.calls


def test_options_that_are_missing_are_all_named(vertex: FakeVertex, bucket: Path) -> None:
    told = "a deployment on Vertex AI needs --option region=REGION and --option image=REGION-docker.pkg.dev"
    with pytest.raises(StepError, match=f"^{re.escape(told)}"):
        deploy(Registry(), "iris", "1.0.0", bucket / "iris" / "1.0.0", {"project": PROJECT})


def test_a_registry_elsewhere_is_refused(vertex: FakeVertex, bucket: Path) -> None:
    told = (
        "s3://models/iris/1.0.0: Vertex AI reads artifacts from Cloud Storage only: give the registry as --root gs://"
    )
    with pytest.raises(StepError, match=f"^{re.escape(told)}"):
        deploy(Registry("s3://models"), "iris", "1.0.0", bucket / "iris" / "1.0.0", OPTIONS)


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pack_models(tmp_path_factory.mktemp("kinds"), "text", "maintenance", "recommender", "forest")


@pytest.mark.parametrize("name", ["text", "maintenance", "recommender", "forest"])
def test_models_of_every_kind_answer_their_golden_requests_through_the_endpoint(
    vertex: FakeVertex, all_kinds: dict[str, Path], name: str
) -> None:
    vertex.buckets[f"gs://models/{name}/1.0.0"] = all_kinds[name]
    deploy(Registry(), name, "1.0.0", all_kinds[name], OPTIONS)
    assert sorted(vertex.versions[name][0]["versionAliases"]) == ["champion", "default", "v1-0-0"]
    assert vertex.calls.count("POST endpoints:predict") >= 3
