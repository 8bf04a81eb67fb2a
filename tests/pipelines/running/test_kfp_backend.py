# SPDX-License-Identifier: Apache-2.0
"""Runs and recurring runs on Kubeflow Pipelines, over HTTP, against an API that is as strict as the real one."""

import socket
import warnings
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl, kubernetes

from pipelines.errors import PipelineError
from pipelines.running import kfp_backend
from pipelines.running.kfp_backend import Request, RunLink
from tests.pipelines.running.conftest import IMAGE, another_server
from tests.pipelines.running.fake_kfp import FakeKubeflow

PARAMETERS = {"use_case": "spam", "seed": 7, "options": {"replicas": "1:3"}}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with what ours have: a step within an exit handler, a struct, and settings for Kubernetes."""

    @dsl.container_component  # type: ignore[untyped-decorator]  # kfp has no types
    def learn(use_case: str, seed: int, options: dict[str, str]) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=IMAGE, command=["true"])

    @dsl.container_component  # type: ignore[untyped-decorator]  # kfp has no types
    def tell(because: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=IMAGE, command=["true"])

    @dsl.pipeline(name="spam")  # type: ignore[untyped-decorator]
    def pipeline(use_case: str, seed: int = 0, options: dict[str, str] = {}, because: str = "") -> None:  # noqa: B006
        with dsl.ExitHandler(tell(because=because).set_caching_options(False)):
            step = learn(use_case=use_case, seed=seed, options=options).set_caching_options(True)
            kubernetes.set_timeout(step, 60)

    path = tmp_path_factory.mktemp("spec") / "spam.yaml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(pipeline, str(path))
    return path


def asked(spec: Path, **changed: Any) -> tuple[Request, dict[str, Any]]:
    """Return a request with what is changed of it, and the other words of a call."""
    ours = {name: changed.pop(name) for name in ("name", "parameters", "service_account", "caching") if name in changed}
    return Request(spec, **{"name": "spam-1", "parameters": PARAMETERS, **ours}), {"experiment": "portside", **changed}


def submit(spec: Path, kubeflow: FakeKubeflow, **changed: Any) -> RunLink:
    request, words = asked(spec, **changed)
    return kfp_backend.submit(request, url=kubeflow.url, **words)


def schedule(spec: Path, kubeflow: FakeKubeflow, *, cron: str, **changed: Any) -> str:
    request, words = asked(spec, **{"name": "spam", **changed})
    return kfp_backend.schedule(request, cron, url=kubeflow.url, **words)


def enabled(document: dict[str, Any]) -> list[bool]:
    """Return for each task of a pipeline whether it may come from the cache."""
    components = (document["root"], *document["components"].values())
    tasks = [task for each in components for task in each.get("dag", {}).get("tasks", {}).values()]
    return [task["cachingOptions"].get("enableCache", False) for task in tasks if "cachingOptions" in task]


def test_a_run_is_submitted_with_its_parameters_and_its_platform_document(spec: Path, kubeflow: FakeKubeflow) -> None:
    link = submit(spec, kubeflow, service_account="pipeline-runner")
    run = kubeflow.runs[link.run_id]
    assert link.url == f"{kubeflow.url}/#/runs/details/{link.run_id}"
    assert run["display_name"] == "spam-1"
    assert run["runtime_config"] == {"parameters": PARAMETERS}
    assert run["service_account"] == "pipeline-runner"
    assert run["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    assert [each["display_name"] for each in kubeflow.experiments.values()] == ["portside"]


def test_the_experiment_is_made_once(spec: Path, kubeflow: FakeKubeflow) -> None:
    first, second = submit(spec, kubeflow), submit(spec, kubeflow, name="spam-2")
    assert len(kubeflow.experiments) == 1
    assert kubeflow.runs[first.run_id]["experiment_id"] == kubeflow.runs[second.run_id]["experiment_id"]


def test_caching_is_as_compiled_or_off_down_to_the_nested_steps(spec: Path, kubeflow: FakeKubeflow) -> None:
    cached, uncached = submit(spec, kubeflow), submit(spec, kubeflow, caching=False)
    assert True in enabled(kubeflow.runs[cached.run_id]["pipeline_spec"]["pipeline_spec"])
    assert True not in enabled(kubeflow.runs[uncached.run_id]["pipeline_spec"]["pipeline_spec"])


def test_nothing_is_printed(spec: Path, kubeflow: FakeKubeflow, capfd: pytest.CaptureFixture[str]) -> None:
    submit(spec, kubeflow)
    assert capfd.readouterr() == ("", "")


def test_runs_of_a_name_are_active_until_they_are_over(spec: Path, kubeflow: FakeKubeflow) -> None:
    links = [submit(spec, kubeflow) for _ in range(5)]
    submit(spec, kubeflow, name="spam-2")
    assert kfp_backend.active_runs(kubeflow.url, "spam-1") == links
    for link, state in zip(links, ("RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"), strict=True):
        kubeflow.runs[link.run_id]["state"] = state
    assert kfp_backend.active_runs(kubeflow.url, "spam-1") == links[:1]


def test_a_schedule_has_six_fields_no_catch_up_and_one_run_at_a_time(spec: Path, kubeflow: FakeKubeflow) -> None:
    assert schedule(spec, kubeflow, cron="0 3 * * sun") == "spam"
    (recurring,) = kubeflow.recurring_runs.values()
    assert recurring["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 0"}}
    assert (recurring["mode"], recurring["max_concurrency"], recurring["no_catchup"]) == ("ENABLE", "1", True)
    assert recurring["runtime_config"] == {"parameters": PARAMETERS}


def test_a_schedule_replaces_those_of_its_name_and_no_other(spec: Path, kubeflow: FakeKubeflow) -> None:
    schedule(spec, kubeflow, cron="0 3 * * 1")
    schedule(spec, kubeflow, name="maintenance", cron="0 3 1 * *")
    schedule(spec, kubeflow, experiment="another", cron="0 4 * * *")
    # What piled up in other ways goes as well, whatever page it is on.
    first = next(iter(kubeflow.recurring_runs.values()))
    ids = [f"00000000-0000-4000-8000-{place:012d}" for place in range(5)]
    kubeflow.recurring_runs.update({each: {**first, "recurring_run_id": each} for each in ids})
    schedule(spec, kubeflow, cron="30 3 * * 1")
    left = [
        (each["display_name"], each["trigger"]["cron_schedule"]["cron"]) for each in kubeflow.recurring_runs.values()
    ]
    assert sorted(left) == [("maintenance", "0 0 3 1 * *"), ("spam", "0 0 4 * * *"), ("spam", "0 30 3 * * 1")]


def test_a_refused_schedule_leaves_the_former_one(spec: Path, kubeflow: FakeKubeflow) -> None:
    schedule(spec, kubeflow, cron="0 3 * * 1")
    with pytest.raises(PipelineError, match=r"refuses the recurring run spam: .* unknown input parameter sede"):
        schedule(spec, kubeflow, cron="0 4 * * 1", parameters={**PARAMETERS, "sede": 1})
    assert [each["trigger"]["cron_schedule"]["cron"] for each in kubeflow.recurring_runs.values()] == ["0 0 3 * * 1"]


@pytest.mark.parametrize(
    ("cron", "six"),
    [
        ("*/15 * * * *", "0 */15 * * * *"),
        ("5 4-6 1,15 * *", "0 5 4,5,6 1,15 * *"),
        ("0 0-12/4 * JAN-mar 5-7", "0 0 0,4,8,12 * 1,2,3 0,5,6"),
        ("0 3 29 2 *", "0 0 3 29 2 *"),
    ],
)
def test_times_become_what_kubeflow_takes(spec: Path, kubeflow: FakeKubeflow, cron: str, six: str) -> None:
    schedule(spec, kubeflow, cron=cron)
    assert [each["trigger"]["cron_schedule"]["cron"] for each in kubeflow.recurring_runs.values()] == [six]


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 3 * *", "has 4 fields and must have 5: minute, hour"),
        ("0 0 3 * * 1", "has 6 fields and must have 5"),
        ("60 3 * * *", 'the minute "60" in the time "60 3 * * *" is none: it is from 0 to 59'),
        ("0 3 * * mon-fre", "from 0 to 7, or SUN to SAT"),
        ("0 5-3 * * *", "a range begins with its smaller end"),
        ("5/15 * * * *", "as in 5-59/15"),
        ("*/0 * * * *", "a step is a whole number from 1"),
        ("0 3 ? * 1", "write a number, a range as 1-5"),
        ("0 3 31 4,6 *", "never comes"),
    ],
)
def test_what_is_no_time_is_refused_before_anybody_is_asked(spec: Path, cron: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as caught:
        schedule(spec, FakeKubeflow(url="http://127.0.0.1:1"), cron=cron)
    assert sentence in str(caught.value)


def test_a_token_comes_from_the_file_that_the_environment_names(
    spec: Path, kubeflow: FakeKubeflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeflow.token = "let-me-in"
    (tmp_path / "token").write_text("let-me-in\n")
    monkeypatch.setenv(kfp_backend.TOKEN_VARIABLE, str(tmp_path / "token"))
    assert submit(spec, kubeflow).run_id in kubeflow.runs
    assert len(kfp_backend.active_runs(kubeflow.url, "spam-1", token="let-me-in")) == 1


def test_who_has_no_token_is_told_where_to_put_one(spec: Path, kubeflow: FakeKubeflow) -> None:
    kubeflow.token = "let-me-in"
    with pytest.raises(PipelineError) as caught:
        submit(spec, kubeflow, token="a-secret")
    assert "access is refused (HTTP 401: Request header error" in str(caught.value)
    assert kfp_backend.TOKEN_VARIABLE in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_a_token_file_that_is_not_there_is_named(
    spec: Path, kubeflow: FakeKubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kfp_backend.TOKEN_VARIABLE, "/nowhere/token")
    with pytest.raises(PipelineError, match=r"/nowhere/token: cannot be read .*KF_PIPELINES_SA_TOKEN_PATH names it"):
        submit(spec, kubeflow)


def test_a_profile_is_asked_for_and_one_that_is_none_of_ours_refused(spec: Path, kubeflow: FakeKubeflow) -> None:
    kubeflow.namespaces = {"team-a"}
    with pytest.raises(PipelineError, match="has several users; name the profile with --kfp-namespace"):
        submit(spec, kubeflow)
    with pytest.raises(PipelineError, match=r"HTTP 403: User is not authorized to use namespace team-b"):
        submit(spec, kubeflow, namespace="team-b")
    link = submit(spec, kubeflow, namespace="team-a")
    assert [each["namespace"] for each in kubeflow.experiments.values()] == ["team-a"]
    assert kfp_backend.active_runs(kubeflow.url, "spam-1", namespace="team-a") == [link]


def test_an_experiment_that_may_not_be_made_is_told(spec: Path, kubeflow: FakeKubeflow) -> None:
    kubeflow.unwilling = "no more experiments"
    with pytest.raises(PipelineError, match="Kubeflow refuses the run spam-1: no more experiments"):
        submit(spec, kubeflow)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"use_case": "spam", "sede": 1}, "unknown input parameter sede"),
        ({"use_case": "spam", "seed": "1"}, "input parameter seed requires type NUMBER_INTEGER"),
        ({"seed": 1}, "missing input parameter use_case"),
    ],
)
def test_parameters_that_the_pipeline_does_not_have_are_refused(
    spec: Path, kubeflow: FakeKubeflow, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(PipelineError, match=f"Kubeflow refuses the run spam-1: .*{message}"):
        submit(spec, kubeflow, parameters=parameters)
    assert not kubeflow.runs


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("pipelineInfo:", "pipelineInfos:", "Invalid pipeline spec"),
        ("activeDeadlineSeconds", "activeDeadline", "Invalid pipeline spec"),
        ("exec-learn:\n          activeD", "exec-gone:\n          activeD", "no executor exec-gone"),
    ],
    ids=["pipeline", "kubernetes", "executor"],
)
def test_a_spec_that_kubeflow_cannot_read_is_refused(
    *, spec: Path, kubeflow: FakeKubeflow, tmp_path: Path, written: str, instead: str, message: str
) -> None:
    text = spec.read_text()
    assert text.count(written) == 1
    (tmp_path / "broken.yaml").write_text(text.replace(written, instead))
    with pytest.raises(PipelineError, match=f"Kubeflow refuses the run spam-1: .*{message}"):
        submit(tmp_path / "broken.yaml", kubeflow)


def test_an_address_where_nobody_answers_is_told(spec: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PipelineError, match=r"does not answer \(Connection refused\); is the address right"):
            submit(spec, FakeKubeflow(url=url))


def test_an_address_without_a_scheme_is_told(spec: Path) -> None:
    with pytest.raises(PipelineError, match="localhost:8888: the address of Kubeflow Pipelines begins with http"):
        submit(spec, FakeKubeflow(url="localhost:8888"))


@pytest.mark.parametrize(
    ("status", "content", "headers", "sentence"),
    [
        (200, b"<html>a page</html>", {}, "this is not the API of Kubeflow Pipelines 2.x (HTTP 200"),
        (404, b"{}", {}, "this is not the API of Kubeflow Pipelines 2.x (HTTP 404"),
        (200, b'{"status": "ok"}', {}, "this is not the API of Kubeflow Pipelines 2.x (HTTP 200"),
        (302, b"", {"Location": "/dex/auth"}, "access is refused (HTTP 302: it asks for a log-in)"),
        (403, b"RBAC: access denied", {}, "access is refused (HTTP 403)"),
    ],
    ids=["page", "unknown", "other", "log-in", "forbidden"],
)
def test_what_is_no_kubeflow_or_lets_nobody_in_is_told(
    spec: Path, status: int, content: bytes, headers: dict[str, str], sentence: str
) -> None:
    with another_server(status, content, **headers) as url, pytest.raises(PipelineError) as caught:
        submit(spec, FakeKubeflow(url=url))
    assert str(caught.value).startswith(f"{url}: {sentence}")
