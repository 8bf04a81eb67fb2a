# SPDX-License-Identifier: Apache-2.0
"""The compiled pipelines: the same bytes each time, and what Kubeflow and Vertex AI will take."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from google.protobuf import json_format  # type: ignore[import-untyped]
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.definition.needs import NEEDS
from pipelines.errors import PipelineError
from pipelines.pipeline_commands import pipeline
from pipelines.steps.names import STEPS
from pipelines.use_cases import NAMES

COMMITTED = Path(__file__).parents[3] / "pipelines" / "compiled"
PURE = {"load_data", "validate_data", "train_model", "evaluate_model", "compare_models", "package_model"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compiled")
    done = CliRunner().invoke(pipeline, ["compile", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output.count("compiled ") == len(list(out.iterdir())) == 4 * len(NAMES)
    return out


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def spec_of(path: Path) -> Any:
    """Parse the first document as Kubeflow does: a field that its protobuf does not know is an error."""
    return json_format.ParseDict(documents(path)[0], pipeline_spec_pb2.PipelineSpec())


def kfp_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".vertex" not in path.name)


def vertex_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.vertex.yaml"))


def test_compiling_again_gives_the_committed_bytes(compiled: Path) -> None:
    again = {path.name: path.read_bytes() for path in compiled.iterdir()}
    assert again == {path.name: path.read_bytes() for path in COMMITTED.glob("*.yaml")}


def test_every_file_is_a_pipeline_spec_to_the_last_field(compiled: Path) -> None:
    names = {spec_of(path).pipeline_info.name for path in compiled.iterdir()}
    assert names == {*NAMES, *(f"{name}-scoring" for name in NAMES)}


def test_kubeflow_gets_a_platform_document_and_vertex_a_single_one(compiled: Path) -> None:
    platforms = [documents(path)[1:] for path in kfp_files(compiled)]
    assert [len(each) for each in platforms] == [1] * 2 * len(NAMES)
    parsed = [json_format.ParseDict(each[0], pipeline_spec_pb2.PlatformSpec()) for each in platforms]
    assert all("kubernetes" in each.platforms for each in parsed)
    assert [len(documents(path)) for path in vertex_files(compiled)] == [1] * 2 * len(NAMES)


def test_each_step_has_its_time_and_its_credentials_on_kubernetes(compiled: Path) -> None:
    platform = documents(compiled / "spam.yaml")[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name: int(each["activeDeadlineSeconds"]) for name, each in platform.items()} == {
        f"exec-{step.replace('_', '-')}": NEEDS[step].minutes * 60 for step in STEPS if step != "score_batch"
    }
    assert all(each["secretAsEnv"][0]["optional"] for each in platform.values())


def test_components_run_our_steps_in_our_image_by_digest_and_install_nothing(compiled: Path) -> None:
    for path in compiled.iterdir():
        containers = {name: executor.container for name, executor in executors_of(spec_of(path)).items()}
        assert all(re.search(r"@sha256:[0-9a-f]{64}$", each.image) for each in containers.values())
        commands = {name: list(each.command) for name, each in containers.items()}
        assert commands == {
            name: ["python", "-m", "pipelines", name.removeprefix("exec-").replace("-", "_")] for name in containers
        }
        arguments = {tuple(each.args) for each in containers.values()}
        assert arguments == {("--run", "{{$.pipeline_job_name}}", "--executor_input", "{{$}}")}
        assert "pip install" not in path.read_text()


def executors_of(spec: Any) -> dict[str, Any]:
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    return dict(deployment.executors)


def test_pure_steps_may_come_from_the_cache_and_the_others_never(compiled: Path) -> None:
    spec = spec_of(compiled / "spam.yaml")
    dags = [spec.root.dag, *(each.dag for each in spec.components.values() if each.HasField("dag"))]
    tasks = {name.replace("-", "_"): task for dag in dags for name, task in dag.tasks.items()}
    cached = {name: task.caching_options.enable_cache for name, task in tasks.items() if name in STEPS}
    assert cached == {step: step in PURE for step in STEPS if step != "score_batch"}


def test_steps_have_resources_and_those_that_reach_out_are_tried_again(compiled: Path) -> None:
    spec = spec_of(compiled / "maintenance.yaml")
    resources = {name: each.container.resources for name, each in executors_of(spec).items()}
    assert all(each.resource_cpu_limit and each.resource_memory_limit for each in resources.values())
    text = (compiled / "maintenance.yaml").read_text()
    assert text.count("maxRetryCount: 2") == 3


def test_metrics_and_reports_have_the_types_that_the_interface_shows(compiled: Path) -> None:
    outputs = spec_of(compiled / "spam.yaml").components["comp-evaluate-model"].output_definitions.artifacts
    assert {name: each.artifact_type.schema_title for name, each in outputs.items()} == {
        "curves": "system.ClassificationMetrics",
        "evaluation": "system.Artifact",
        "metrics": "system.Metrics",
        "report": "system.HTML",
    }


def test_one_use_case_is_compiled_by_itself(tmp_path: Path) -> None:
    image = f"registry.example.com/team/pipeline@sha256:{'1' * 64}"
    done = CliRunner().invoke(pipeline, ["compile", "spam", "--out", str(tmp_path), "--image", image])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "spam-scoring.vertex.yaml",
        "spam-scoring.yaml",
        "spam.vertex.yaml",
        "spam.yaml",
    ]
    assert (tmp_path / "spam.yaml").read_text().count(image) == 9


def test_a_folder_that_cannot_be_written_to_is_told() -> None:
    with pytest.raises(PipelineError, match=r"/dev/null/compiled: cannot be written: Not a directory; .* --out"):
        CliRunner().invoke(pipeline, ["compile", "--out", "/dev/null/compiled"], catch_exceptions=False)
