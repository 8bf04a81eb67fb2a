# SPDX-License-Identifier: Apache-2.0
"""`portside models`: what it prints, and what it refuses."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from pipelines.registry import Registry, open_registry
from tests.pipelines.registry.command_line import output, refused
from tests.pipelines.registry.s3_server import Store

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


@pytest.fixture
def registry(filled: Registry) -> Registry:
    filled.tag("iris", "champion", "1.2.0", reason="the first")
    filled.tag("iris", "champion", "1.10.0", reason="better by 0.02")
    return filled


def test_versions_are_listed_newest_first(filled_anywhere: Registry) -> None:
    for version in ("1.2.0", "1.10.0"):
        filled_anywhere.tag("iris", "champion", version)
    told = output("models", "list", "--root", filled_anywhere.root)
    lines = [re.split(" {2,}", MOMENT.sub("WHEN", line)) for line in told.splitlines()]
    assert [line[:-1] for line in lines] == [
        ["MODEL", "VERSION", "ALIASES", "PUBLISHED (UTC)", "METRIC", "DATA"],
        ["iris", "1.10.0", "champion", "WHEN", "accuracy 0.98", "abababababab"],
        ["iris", "1.2.0", "previous", "WHEN", "accuracy 0.98", "abababababab"],
        ["iris", "1.0.0", "-", "WHEN", "-", "-"],
    ]
    assert [re.sub(r"[\d.]+", "N", line[-1]) for line in lines] == ["SIZE", "N kB", "N kB", "N kB"]
    assert output("models", "list", "iris", "--root", filled_anywhere.root) == told


def test_the_list_as_json_has_every_metric_and_the_lineage(registry: Registry, versions: list[Path]) -> None:
    newest, _, first = orjson.loads(output("models", "list", "--root", registry.root, "--json"))
    assert newest["address"] == registry.address("iris", "1.10.0")
    assert newest["metrics"] == {"accuracy": 0.98, "rows": 150}
    assert newest["lineage"]["seed"] == 7
    assert newest["bytes"] == sum(path.stat().st_size for path in versions[2].iterdir())
    assert (first["version"], first["aliases"], first["fault"]) == ("1.0.0", [], None)


def test_a_version_is_shown_with_its_lineage_and_the_aliases_it_has_had(registry: Registry) -> None:
    told = output("models", "show", "iris", "previous", "--root", registry.root)
    title, address, published, *rest = told.splitlines()
    assert (title, address) == ("iris 1.2.0 (previous)", f"  {registry.root}/iris/1.2.0")
    assert re.fullmatch(r"  published \d{4}-\d\d-\d\d \d\d:\d\d UTC, [\d.]+ kB", published)
    assert "  accuracy  0.98" in rest
    assert any(re.fullmatch(r"  data_digest +sha256:(ab){32}", line) for line in rest)
    history = [re.split(" {2,}", line.strip())[1:] for line in rest[rest.index("history of its aliases") + 1 :]]
    assert history == [
        ["champion", "none -> 1.2.0", "the first"],
        ["champion", "1.2.0 -> 1.10.0", "better by 0.02"],
        ["previous", "none -> 1.2.0", "better by 0.02"],
    ]
    document = orjson.loads(output("models", "show", "iris", "1.2.0", "--root", registry.root, "--json"))
    assert [change["version"] for change in document["history"]] == ["1.2.0", "1.10.0"]


def test_a_champion_is_named_and_taken_back(registry: Registry) -> None:
    tag = ("models", "tag", "--root", registry.root, "iris")
    assert output(*tag, "previous", "champion", "--reason", "1.10.0 is slow") == (
        "iris: champion is 1.2.0, previous is 1.10.0\n"
    )
    assert output(*tag, "1.0.0", "staging", "--json") == (
        '{"model":"iris","aliases":{"champion":"1.2.0","previous":"1.10.0","staging":"1.0.0"}}\n'
    )
    assert "staging is 1.0.0 and not 1.2.0; nothing was changed" in refused(*tag, "1.2.0", "staging", "--remove")
    assert output(*tag, "1.0.0", "staging", "--remove") == "iris: champion is 1.2.0, previous is 1.10.0\n"
    assert "iris has no alias staging" in refused(*tag, "1.0.0", "staging", "--remove")


def test_a_registry_without_models_says_so(root: str) -> None:
    assert output("models", "list", "--root", root) == (
        f"{root} has no models yet; `portside publish` and `portside pipeline run` put some there\n"
    )
    assert output("models", "list", "--root", root, "--json") == "[]\n"


def test_the_root_is_the_environments_or_a_folder_below_this_one(
    versions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output("models", "list").startswith("build/registry has no models yet")
    output("publish", versions[0], f"file://{tmp_path}/mine")
    monkeypatch.setenv("PORTSIDE_REGISTRY", f"file://{tmp_path}/mine")
    assert f"\n  {tmp_path}/mine/iris/1.0.0\n" in output("models", "show", "iris", "1.0.0")


def test_a_manifest_that_cannot_be_read_does_not_hide_the_others(versions: list[Path], tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path))
    registry.publish(versions[0])
    registry.publish(versions[1])
    (tmp_path / "iris" / "1.0.0" / "artifact.json").write_text("{")
    _, newer, older, sentence = output("models", "list", "--root", tmp_path).splitlines()
    assert "accuracy 0.98" in newer
    assert "unreadable" in older
    assert sentence.startswith(f"{tmp_path}/iris/1.0.0/artifact.json: not valid JSON")
    assert "not valid JSON" in output("models", "show", "iris", "1.0.0", "--root", tmp_path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(("list", "rose"), "has no model rose; it has: iris", id="no such model"),
        pytest.param(("show", "iris", "2"), "iris has no version 2; it has: 1.0.0", id="no such version"),
        pytest.param(("show", "../iris", "2"), 'the name "../iris" must be 1 to 63 letters', id="no name"),
        pytest.param(("list", "--root", "ftp://x"), "a registry is s3://BUCKET[/PREFIX]", id="no such kind of place"),
        pytest.param(("list", "--root", "file://x"), "file:// takes an absolute path", id="a relative file URI"),
        pytest.param(
            ("list", "--root", "s3:/models"), "s3:/models: a slash is missing; write s3://models", id="a lost slash"
        ),
        pytest.param(("list", "--root", ""), "the registry's root is empty", id="an empty root"),
        pytest.param(
            ("list", "--endpoint-url", "http://x"), "a local folder has no endpoint", id="a folder's endpoint"
        ),
    ],
)
def test_wrong_use_ends_with_a_sentence(
    versions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    open_registry(str(tmp_path)).publish(versions[0])
    monkeypatch.setenv("PORTSIDE_REGISTRY", str(tmp_path))
    assert sentence in refused("models", *words)


def test_versions_are_listed_while_others_come_and_go(tmp_path: Path, versions: list[Path]) -> None:
    registry = open_registry(str(tmp_path))
    registry.publish(versions[1])

    def come_and_go() -> None:
        writer = open_registry(str(tmp_path))
        for _ in range(30):
            writer.publish(versions[0])
            writer.delete("iris", "1.0.0")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(come_and_go)
        while not writing.done():
            assert "1.2.0" in registry.versions("iris")
        writing.result()


def test_a_server_that_is_down_is_told(store: Store) -> None:
    told = refused("models", "list", "--root", "s3://models", "--endpoint-url", "http://127.0.0.1:9")
    assert "the server cannot be reached" in told


def test_a_file_where_the_registry_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file: cannot be read: Not a directory" in refused("models", "list", "--root", tmp_path / "file")


def test_the_commands_explain_themselves_without_importing_what_they_need() -> None:
    code = (
        "import sys\nfrom pipelines.model_commands import models\n"
        "try: models(['delete', '--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in ended.stdout
    assert {"kubernetes", "fsspec", "pydantic", "numpy"}.isdisjoint(ended.stdout.split())
