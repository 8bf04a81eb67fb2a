# SPDX-License-Identifier: Apache-2.0
"""`portside pipeline submit` and `schedule`, with the words that people type, against both APIs."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from pipelines.errors import PipelineError
from pipelines.pipeline_commands import pipeline
from tests.pipelines.running.conftest import IMAGE
from tests.pipelines.running.fake_kfp import FakeKubeflow
from tests.pipelines.vertex.fake_vertex import FakeVertex, fake_vertex

ON_VERTEX = ("--vertex", "--project", "my-project", "--region", "europe-west4", "--root", "gs://my-models")
ITS_IMAGE = f"europe-west4-docker.pkg.dev/my-project/portside/pipeline@sha256:{'1' * 64}"


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVertex]:
    with fake_vertex() as fake:
        monkeypatch.setenv("VERTEX_API_ENDPOINT", fake.url)
        yield fake


def run(*words: str) -> Result:
    return CliRunner().invoke(pipeline, words)


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_a_run_is_submitted_to_kubeflow_with_what_was_chosen(kubeflow: FakeKubeflow) -> None:
    words = ("--root", "s3://team-models", "--because", "new data", "--option", "replicas=1:3", "--seed", "3")
    said = printed("submit", "spam", "--kfp", kubeflow.url, *words)
    ((identity, made),) = kubeflow.runs.items()
    assert said == f"submitted {kubeflow.url}/#/runs/details/{identity}\n"
    assert made["display_name"].startswith("spam-")
    parameters = made["runtime_config"]["parameters"]
    assert {name: parameters[name] for name in ("use_case", "root", "because", "options", "seed", "deploy_to")} == {
        "use_case": "spam",
        "root": "s3://team-models",
        "because": "new data",
        "options": {"replicas": "1:3"},
        "seed": 3,
        "deploy_to": "kserve",
    }
    assert IMAGE in json.dumps(made["pipeline_spec"])


@pytest.mark.parametrize(
    ("words", "cron"),
    [
        pytest.param(["spam", "--weekly"], "0 0 3 * * 1", id="weekly"),
        pytest.param(["spam", "--monthly"], "0 0 3 1 * *", id="monthly"),
        pytest.param(["spam", "--cron", "30 5 * * mon-fri"], "0 30 5 * * 1,2,3,4,5", id="cron"),
        pytest.param(["maintenance"], "0 0 3 1 * *", id="the use case's own"),
    ],
)
def test_a_schedule_takes_the_place_of_the_one_before(kubeflow: FakeKubeflow, words: list[str], cron: str) -> None:
    for _ in range(2):
        printed("schedule", *words, "--kfp", kubeflow.url)
    (made,) = kubeflow.recurring_runs.values()
    assert made["trigger"]["cron_schedule"]["cron"] == cron


def test_batch_scoring_is_scheduled_hourly_beside_the_training(kubeflow: FakeKubeflow) -> None:
    printed("schedule", "maintenance", "--kfp", kubeflow.url)
    for _ in range(2):
        printed(
            "schedule", "maintenance", "--kfp", kubeflow.url, "--score-to", "s3://scored", "--data", "s3://in/hour.csv"
        )
    made = {each["display_name"]: each for each in kubeflow.recurring_runs.values()}
    assert made.keys() == {"maintenance", "maintenance-scoring"}
    scoring = made["maintenance-scoring"]
    assert scoring["trigger"]["cron_schedule"]["cron"] == "0 0 * * * *"
    parameters = scoring["runtime_config"]["parameters"]
    assert (parameters["out"], parameters["data"]) == ("s3://scored", "s3://in/hour.csv")
    assert "comp-score-batch" in json.dumps(scoring["pipeline_spec"])


def test_a_run_and_a_schedule_go_to_vertex(vertex: FakeVertex) -> None:
    said = printed("submit", "spam", *ON_VERTEX, "--image", ITS_IMAGE)
    ((name, job),) = vertex.jobs.items()
    assert f"pipelineJobs/{name} (https://console.cloud.google.com" in said
    given = job["runtimeConfig"]["parameterValues"]
    assert given["options"]["image"] == "europe-west4-docker.pkg.dev/my-project/portside/predictor:0.1.0"
    assert (given["deploy_to"], given["root"]) == ("vertex", "gs://my-models")
    assert job["labels"] == {"model": "spam"}
    for _ in range(2):
        printed("schedule", "spam", "--weekly", *ON_VERTEX, "--image", ITS_IMAGE)
    (made,) = vertex.schedules.values()
    assert made["cron"] == "TZ=UTC 0 3 * * 1"


@pytest.mark.parametrize(
    "place", [pytest.param(("--kfp", "http://127.0.0.1:9"), id="kfp"), pytest.param(ON_VERTEX, id="vertex")]
)
@pytest.mark.parametrize("command", ["submit", "schedule"])
def test_a_dry_run_prints_a_document_and_asks_nobody(command: str, place: tuple[str, ...]) -> None:
    document = json.loads(printed(command, "spam", *place, "--dry-run"))
    assert "comp-train-model" in json.dumps(document)


@pytest.mark.parametrize("command", ["submit", "schedule"])
def test_a_dry_run_prints_just_what_kubeflow_is_sent(kubeflow: FakeKubeflow, command: str) -> None:
    words = [command, "spam", "--kfp", kubeflow.url, "--service-account", "trainer"]
    words += ["--no-cache"] if command == "submit" else []
    document = json.loads(printed(*words, "--dry-run"))
    assert not kubeflow.runs
    printed(*words)
    ((identity, made),) = (kubeflow.runs or kubeflow.recurring_runs).items()
    sent = {name: value for name, value in made.items() if identity != value and name in document}
    assert {**document, "display_name": made["display_name"]} == sent
    assert ("enableCache" in json.dumps(document)) is (command == "schedule")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["submit", "spam"], "say where it runs: --kfp URL, or --vertex", id="nowhere"),
        pytest.param(["submit", "spam", "--kfp", "http://x", "--vertex"], "one of them", id="both"),
        pytest.param(["submit", "spam", "--vertex"], "needs --project, --region, --root gs://BUCKET", id="no project"),
        pytest.param(["submit", "spam", "--kfp", "http://x", "--region", "r"], "Vertex AI's", id="region of kubeflow"),
        pytest.param(
            ["submit", "spam", "--kfp", "http://127.0.0.1:9"], "an image that the backend can pull", id="no image"
        ),
        pytest.param(
            ["schedule", "spam", "--kfp", "http://x", "--cron", "99 * * * *", "--dry-run"], '"99"', id="no time"
        ),
        pytest.param(
            ["submit", "spam", "--kfp", "http://x", "--score-to", "s3://x", "--seed", "1"],
            "are of training",
            id="seed of scoring",
        ),
        pytest.param(
            ["submit", "spam", "--kfp", "http://x", "--root", "build/registry", "--dry-run"],
            "give --root as s3://BUCKET",
            id="registry in a folder",
        ),
        pytest.param(
            ["submit", "spam", "--kfp", "http://x", "--score-to", "scored", "--dry-run"],
            "give --score-to as s3://BUCKET",
            id="predictions into a folder",
        ),
        pytest.param(["submit", "spam", *ON_VERTEX, "--kfp-namespace", "a"], "is Kubeflow's", id="profile of vertex"),
        pytest.param(["schedule", "spam", "--kfp", "http://x", "--cron", "", "--dry-run"], "0 fields", id="empty time"),
        pytest.param(["submit", "spam", "--kfp", "http://x", "--notify", "ops"], "no http or https", id="nobody"),
        pytest.param(["submit", *("nosuch", "--kfp", "http://x")], 'no use case "nosuch"', id="no use case"),
    ],
)
def test_what_cannot_be_submitted_is_told(monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str) -> None:
    monkeypatch.delenv("PORTSIDE_PIPELINE_IMAGE", raising=False)
    done = run(*words)
    assert done.exit_code != 0
    assert sentence in (str(done.exception) if isinstance(done.exception, PipelineError) else done.output)
