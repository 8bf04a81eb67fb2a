# SPDX-License-Identifier: Apache-2.0
"""Pipeline jobs: what a dry run prints, what is submitted, and what is refused before or by Vertex AI."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.errors import PipelineError
from pipelines.vertex import jobs
from tests.pipelines.vertex.fake_vertex import PARENT, PROJECT, REGION, FakeVertex
from tests.pipelines.vertex.rules import Refusal

NAME = "spam-20260105-030000"


def words(**changed: Any) -> dict[str, Any]:
    usual = {
        "project": PROJECT,
        "region": REGION,
        "root": "gs://models/.pipelines",
        "name": NAME,
        "parameters": {"use_case": "spam", "seed": 7, "share": 0.25, "strict": False, "options": {"replicas": "1:3"}},
        "labels": {"model": "spam", "because": "drift"},
        "service_account": "pipelines@my-project.iam.gserviceaccount.com",
        "caching": True,
    }
    return {**usual, **changed}


def test_a_dry_run_is_the_request_that_is_sent(spec_path: Path, vertex: FakeVertex) -> None:
    request = jobs.request(spec_path, **words())
    assert (request["parent"], request["pipelineJobId"]) == (PARENT, NAME)
    assert request["pipelineJob"]["runtimeConfig"]["gcsOutputDirectory"] == "gs://models/.pipelines"
    assert not vertex.calls
    jobs.submit(spec_path, **words())
    assert vertex.jobs[NAME] == request["pipelineJob"]


def test_a_job_is_submitted_with_all_that_was_asked_for(spec_path: Path, vertex: FakeVertex) -> None:
    network = "projects/12345/global/networks/models"
    told = jobs.submit(spec_path, **words(network=network, failure_policy="fast"))
    page = f"https://console.cloud.google.com/vertex-ai/locations/{REGION}/pipelines/runs/{NAME}?project={PROJECT}"
    assert told == f"{PARENT}/pipelineJobs/{NAME} ({page})"
    job = vertex.jobs[NAME]
    assert job["displayName"] == NAME
    assert job["labels"] == {"model": "spam", "because": "drift"}
    assert job["serviceAccount"] == "pipelines@my-project.iam.gserviceaccount.com"
    assert job["network"] == network
    assert job["runtimeConfig"]["failurePolicy"] in {2, "PIPELINE_FAILURE_POLICY_FAIL_FAST"}
    assert job["runtimeConfig"]["parameterValues"]["seed"] == 7


def test_over_http_no_credentials_are_sent(spec_path: Path, vertex: FakeVertex) -> None:
    jobs.submit(spec_path, **words())
    assert vertex.authorizations == [None]


def _cached(spec: Any) -> dict[str, Any]:
    parts = [spec["root"], *spec["components"].values()]
    return {
        name: task.get("cachingOptions", {})
        for part in parts
        for name, task in part.get("dag", {}).get("tasks", {}).items()
    }


def test_caching_is_the_pipelines_own_choice_or_none_at_all(spec_path: Path) -> None:
    own = _cached(yaml.safe_load(spec_path.read_text()))
    cached = jobs.request(spec_path, **words())["pipelineJob"]["pipelineSpec"]
    uncached = jobs.request(spec_path, **words(caching=False))["pipelineJob"]["pipelineSpec"]
    assert _cached(cached) == own
    assert own["train"] == {"enableCache": True}
    assert own["tell"] != {"enableCache": True}
    assert all(options == {"enableCache": False} for options in _cached(uncached).values())


def test_a_name_that_is_no_id_becomes_one(spec_path: Path) -> None:
    assert jobs.request(spec_path, **words(name="9 Lives_v1"))["pipelineJobId"] == "run-9-lives-v1"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"project": "My Project"}, '"My Project" is no project of Google Cloud'),
        ({"region": "Europe"}, '"Europe" is no region of Vertex AI'),
        ({"region": "global"}, '"global" is no region of Vertex AI'),
        ({"root": "s3://models"}, '"s3://models": Vertex AI reads and writes in Cloud Storage only'),
        ({"root": "gs://"}, '"gs://": Vertex AI reads and writes in Cloud Storage only'),
        ({"labels": {"Model": "spam"}}, 'the label "Model" must begin with a lower-case letter'),
        ({"labels": {"model": "Spam 1.0"}}, 'the label model="Spam 1.0" must have only lower-case letters'),
        ({"labels": {"model": "s" * 64}}, 'the label model="sss'),
        ({"labels": {f"a{number}": "" for number in range(65)}}, "a resource of Google Cloud has 64 labels at most"),
        ({"service_account": "me@example.com"}, '"me@example.com" is no service account'),
        ({"network": "default"}, '"default" is no network'),
        ({"name": ""}, 'the name "" must have 1 to 128 printable characters'),
        ({"parameters": {}}, 'the pipeline\'s parameter "use_case" has no default: give it a value'),
        ({"parameters": {"use_case": "spam", "sede": 1}}, 'the pipeline has no parameter "sede"; there are columns, '),
        ({"parameters": {"use_case": 1}}, 'the pipeline\'s parameter "use_case" takes a text, not 1'),
        ({"parameters": {"use_case": "", "seed": 1.5}}, 'the pipeline\'s parameter "seed" takes an integer, not 1.5'),
        ({"parameters": {"use_case": "", "seed": True}}, 'the pipeline\'s parameter "seed" takes an integer, not True'),
        ({"parameters": {"use_case": "", "seed": 2**53 + 1}}, 'the pipeline\'s parameter "seed" takes an integer'),
        ({"parameters": {"use_case": "", "strict": "yes"}}, 'the pipeline\'s parameter "strict" takes true or false'),
        ({"parameters": {"use_case": "", "options": []}}, 'the pipeline\'s parameter "options" takes an object'),
        ({"parameters": {"use_case": "", "columns": ""}}, 'the pipeline\'s parameter "columns" takes a list'),
        ({"parameters": {"use_case": "", "share": float("nan")}}, 'the pipeline\'s parameter "share" takes a number'),
    ],
)
def test_what_vertex_would_refuse_is_told_before_it_is_asked(
    spec_path: Path, vertex: FakeVertex, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(PipelineError, match=f"^{re.escape(told)}"):
        jobs.submit(spec_path, **words(**changed))
    assert not vertex.calls


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: 1\n---\nb: 2\n", "it has 2 documents, and Vertex AI takes one"),
        ("{", "not YAML"),
        ("a: 1\n", "not a compiled pipeline"),
        ("{pipelineInfo: {name: a}, root: {}, schemaVersion: 2.0.0}", "its schema version is 2.0.0, and not 2.1.0"),
    ],
)
def test_a_file_that_is_no_pipeline_for_vertex_is_named(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(content)
    with pytest.raises(PipelineError, match=f"^{re.escape(f'{path}: {told}')}"):
        jobs.request(path, **words())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        jobs.request(tmp_path / "none.yaml", **words())


def test_what_vertex_refuses_is_told_in_its_own_words(spec_path: Path, vertex: FakeVertex) -> None:
    jobs.submit(spec_path, **words())
    with pytest.raises(PipelineError, match=f"^Vertex AI refuses: PipelineJob {NAME} already exists$"):
        jobs.submit(spec_path, **words())


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (403, "the account needs roles/aiplatform.user in the project"),
        (429, f"look at the quotas of {PROJECT} in {REGION}"),
    ],
)
def test_a_refusal_that_can_be_mended_says_how(spec_path: Path, vertex: FakeVertex, code: int, hint: str) -> None:
    vertex.refusals["pipelineJobs"] = Refusal(code, "No.")
    with pytest.raises(PipelineError, match=f"^Vertex AI refuses: No; {re.escape(hint)}"):
        jobs.submit(spec_path, **words())


def test_another_project_is_refused_by_vertex(spec_path: Path, vertex: FakeVertex) -> None:
    with pytest.raises(PipelineError, match="Permission denied on resource 'projects/another-project"):
        jobs.submit(spec_path, **words(project="another-project"))


def test_an_address_where_nobody_answers_is_told(spec_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEX_API_ENDPOINT", "http://127.0.0.1:9")
    told = f"http://127.0.0.1:9 cannot be reached (ConnectionError): is {REGION} a region of Vertex AI"
    with pytest.raises(PipelineError, match=f"^{re.escape(told)}"):
        jobs.submit(spec_path, **words())


def test_missing_credentials_are_told(spec_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERTEX_API_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    told = "there are no credentials for Google Cloud: run `gcloud auth application-default login`, or set"
    with pytest.raises(PipelineError, match=f"^{re.escape(told)}"):
        jobs.submit(spec_path, **words())


_WITHOUT_LIBRARY = """
import sys
from pathlib import Path
from pipelines.errors import PipelineError
from pipelines.vertex import deployment, jobs, schedule
for name in ("google.cloud.aiplatform_v1", "google.cloud.aiplatform", "google.api_core", "google.auth"):
    sys.modules[name] = None
words = dict(project="my-project", region="europe-west4", root="gs://models", name="spam", parameters={"use_case": "a"})
jobs.request(Path(sys.argv[1]), **words)
schedule.request(Path(sys.argv[1]), cron="0 3 * * 1", **words)
try:
    jobs.submit(Path(sys.argv[1]), **words)
except PipelineError as err:
    print(err)
"""


def test_a_dry_run_needs_no_library_and_a_submission_says_what_to_install(spec_path: Path) -> None:
    program = [sys.executable, "-c", _WITHOUT_LIBRARY, str(spec_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    told = "Vertex AI needs google-cloud-aiplatform: install portside[vertex]\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")


def test_the_training_pipeline_of_a_use_case_is_taken_as_it_is_compiled(tmp_path: Path, vertex: FakeVertex) -> None:
    from pipelines.definition.compiling import training_of, write

    image = "europe-west4-docker.pkg.dev/my-project/portside/pipelines@sha256:" + "a" * 64
    path = write(training_of("spam", image=image, place="vertex", root="gs://models"), tmp_path / "spam.yaml")
    parameters = {"seed": 3, "because": "drift", "options": {"traffic": "10"}, "root": "gs://models"}
    jobs.submit(path, **words(parameters=parameters))
    assert vertex.jobs[NAME]["runtimeConfig"]["parameterValues"] == parameters
