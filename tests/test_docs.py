# SPDX-License-Identifier: Apache-2.0
"""The documentation against the code it describes."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from pipelines.use_cases import TrainedModel
from predictors.artifact import Manifest, parse_manifest
from predictors.serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "manifests").glob("**/README.md")),
)
ARTIFACT, SERVING, USE_CASES, ROLLOUTS = (
    ROOT / "docs" / f"{name}.md" for name in ("artifact", "serving", "use-cases", "rollouts")
)
CRD = ROOT / "manifests" / "controllers" / "rollouts" / "base" / "crd.yaml"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")


def _without_other_programs(page: str) -> str:
    """Return a page without the commands of its shell blocks that run other programs than ours."""

    def ours(block: re.Match[str]) -> str:
        commands = block[1].replace("\\\n", " ").splitlines()
        return "\n".join(command for command in commands if command.startswith("portside "))

    return re.sub(r"^```bash\n(.*?)^```$", ours, page, flags=re.MULTILINE | re.DOTALL)


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def _run(*words: str, cwd: Path, **environ: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environ}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _shown(default: object) -> str:
    if default in (None, ()):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_table_of_settings_is_that_of_the_server() -> None:
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| (\S+) \|", SERVING.read_text(), re.MULTILINE)
    fields = Settings.model_fields.items()
    assert rows == [(PREFIX + name.upper(), _shown(field.default)) for name, field in fields]


def test_the_table_of_a_rollouts_fields_is_that_of_its_schema() -> None:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| (.+?) \|", ROLLOUTS.read_text(), re.MULTILINE)
    assert rows == list(_fields(schema))


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields below a schema that hold a value, each with what stands for it where it is not given."""
    for name, field in schema["properties"].items():
        if "properties" in field:
            yield from _fields(field, f"{path}{name}.")
        elif "items" in field:
            shares = ", ".join(str(each["traffic"]) for each in field["default"])
            first, *others = _fields(field["items"], f"{path}{name}[].")
            yield first[0], f"`{shares}`"
            yield from others
        else:
            required = not path and name in schema["required"]
            yield f"{path}{name}", "required" if required else _shown(field.get("default"))


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == project["version"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not _leads_somewhere(page, link)] == []


def test_links_are_found_and_dead_ones_are_told() -> None:
    assert "docs/artifact.md" in _LINK.findall(PAGES[0].read_text())
    assert not _leads_somewhere(PAGES[0], "docs/nothing.md")
    assert not _leads_somewhere(PAGES[0], "docs/artifact.md#nothing")


@pytest.mark.parametrize(
    "excerpt",
    [
        pytest.param(block, id=f"{page.stem}-{place}")
        for page in PAGES
        for place, block in enumerate(_blocks(page, "json"))
    ],
)
def test_every_json_excerpt_parses(excerpt: str) -> None:
    assert orjson.loads(excerpt)


def test_the_artifact_shown_is_one_of_this_schema() -> None:
    (excerpt,) = _blocks(ARTIFACT, "json")
    assert parse_manifest(excerpt.encode(), ARTIFACT).name == "iris"


def test_the_table_of_fields_has_every_field_of_the_manifest() -> None:
    cells = re.findall(r"^\| (`[a-z_`, ]+`) \|", ARTIFACT.read_text(), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(cells))) == sorted(Manifest.model_fields)


_ROLLOUT = ("start", "status", "pause", "resume", "promote", "abort")
_PIPELINE = ("run", "compile", "submit", "schedule", "new", "score", "webhook")


def test_every_option_named_is_one_of_some_command(tmp_path: Path) -> None:
    serving = ("train", "pack", "inspect", "serve", "predict", "publish")
    clusters = ("deploy", "status", "logs", "undeploy", "install", "doctor", "rollback")
    rollouts = [f"rollout {command}" for command in _ROLLOUT]
    models = [f"models {command}" for command in ("list", "show", "tag", "delete")]
    pipelines = [f"pipeline {command}" for command in _PIPELINE]
    commands = (*serving, *clusters, *rollouts, "loadtest", *models, *pipelines, "retrain")
    helps = [_run("portside", *command.split(), "--help", cwd=tmp_path) for command in commands]
    helps.append(_run(sys.executable, "-m", "predictors", "--help", cwd=tmp_path))
    known = {option for told in helps for option in _OPTION.findall(told)}
    named = {option for page in PAGES for option in _OPTION.findall(_without_other_programs(page.read_text()))}
    assert named - known == {"--enable-dataplane-v2", "--csv"}  # gcloud's


def test_the_processing_shown_packs_and_answers(tmp_path: Path) -> None:
    (source,) = _blocks(SERVING, "python")
    (declared,) = _blocks(SERVING, "toml")
    _install(source, tomllib.loads(declared), tmp_path)
    pack_and_ask = """
from pathlib import Path
import predictors
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
rows, species = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=1000).fit(rows, species)
folder = predictors.pack(model, rows, name="iris", version="1", out=Path(), processing="iris-names")
served = predictors.load(folder)
body = b'{"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [%s, 3.5, 1.4, 0.2]}]}'
print(served.answer(body % b"5.1").body.decode())
try:
    served.answer(body % b"0.0")
except predictors.InvalidRequestError as err:
    print(err)
"""
    answer, refusal = _run(sys.executable, "-c", pack_and_ask, cwd=tmp_path, PYTHONPATH=str(tmp_path)).splitlines()
    assert orjson.loads(answer)["outputs"][0]["data"] == ["setosa"]
    assert refusal == "every length must be above 0 cm"


def test_the_commands_that_sign_and_verify_do(tmp_path: Path) -> None:
    save = next(block for block in _blocks(PAGES[0], "python") if "joblib.dump" in block)
    sign = next(block for block in _blocks(ARTIFACT, "bash") if "--sign" in block)
    _run(sys.executable, "-c", save, cwd=tmp_path)
    assert "digests verified, signature verified" in _run("bash", "-euo", "pipefail", "-c", sign, cwd=tmp_path)


@pytest.mark.parametrize(
    ("name", "title"),
    [("spam", "Spam filter"), ("maintenance", "Predictive maintenance"), ("recommender", "Recommender")],
    ids=["spam", "maintenance", "recommender"],
)
def test_the_figures_of_a_use_case_are_those_measured(name: str, title: str, request: pytest.FixtureRequest) -> None:
    trained: TrainedModel = request.getfixturevalue(f"trained_{name}")
    section = USE_CASES.read_text().partition(f"## {title}")[2].partition("\n## ")[0]
    assert [metric for metric, value in trained.metrics.items() if not _is_told(value, section)] == []


def _is_told(value: Any, text: str) -> bool:
    """Whether a figure stands in a text: a count as it is, a share with three significant digits or more."""
    if isinstance(value, int):
        return re.search(rf"(?<![\d.]){value:,}(?![\d.])", text) is not None
    numbers = re.findall(r"(?<![\d.])0\.\d+", text)
    return any(len(told.lstrip("0.")) >= 3 and f"{value:.{len(told) - 2}f}" == told for told in numbers)


def _install(source: str, pyproject: dict[str, Any], folder: Path) -> None:
    """Put a package with these entry points where Python finds it, as installing it would."""
    (folder / "iris_names.py").write_text(source)
    metadata = folder / "iris_names-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: iris-names\nVersion: 1.0\n")
    groups = pyproject["project"]["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in found.items()) for group, found in groups
    ]
    (metadata / "entry_points.txt").write_text("".join(lines))


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
