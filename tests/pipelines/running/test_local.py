# SPDX-License-Identifier: Apache-2.0
"""`portside pipeline run` on this machine: from raw data to a version that was served, and every way to stop short."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.use_cases import NAMES, spam, use_case
from predictors import open_artifact
from predictors.golden import request_document
from predictors.model_files.estimator_file import read_given_estimator
from predictors.model_inputs import disassemble
from tests.pipelines.running.pipeline_runs import PURE, Place, start, states
from tests.predictors.servers import serving

_KILL_SECONDS = 120


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def first(place: Place) -> dict[str, dict[str, Any]]:
    """The first run of each use case, from its raw data."""
    return {name: place.run(name, "--because", "first light") for name in NAMES}


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a use case of one's own, as `portside pipeline new` writes it: small, so that runs are short."""
    folder = tmp_path_factory.mktemp("own")
    subprocess.run([sys.executable, "-m", "portside", "pipeline", "new", "churn"], cwd=folder, check=True)
    return Place(folder / "churn")


@pytest.mark.parametrize("name", NAMES)
def test_a_first_run_ends_with_a_version_that_serves(place: Place, first: dict[str, dict[str, Any]], name: str) -> None:
    result = first[name]
    assert (result["state"], result["version"], result["promoted"]) == ("succeeded", "1.0.0", True)
    assert result["sentence"] == f"{name} 1.0.0 serves"
    assert states(result) == dict.fromkeys(["resolve_inputs", *PURE, "deploy_model", "report_run"], "done")
    lineage = open_artifact(place.registry / name / "1.0.0").manifest.lineage
    assert lineage["reason"] == "first light"
    assert lineage["run"] == result["run"]
    assert str(lineage["data_digest"]).startswith("sha256:")
    assert {"fingerprint", "seed", "data_source", "rows"} <= lineage.keys()


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_is_what_is_served_bit_for_bit(
    place: Place, first: dict[str, dict[str, Any]], name: str
) -> None:
    model = read_given_estimator(
        place.output(name, first[name], "model") / "model.joblib", allow_pickle=True, allow_imports=()
    )
    folder = place.registry / name / "1.0.0"
    rows = pd.read_parquet(place.output(name, first[name], "test")).head(200)
    taken = use_case(name).features(rows).reset_index(drop=True)
    specs = tuple(spec for spec in open_artifact(folder).manifest.signature.inputs if spec.default is None)
    with serving(folder) as server:
        answer = server.infer(name, request_document(disassemble(taken, specs), specs))
    served = {output["name"]: output["data"] for output in answer["outputs"]}
    assert EXPECTED[name](model, taken) == {output: served[output] for output in EXPECTED[name](model, taken)}


def _spam(model: Any, rows: pd.DataFrame) -> dict[str, list[Any]]:
    texts = rows["text"].to_numpy(object)
    column = list(model.classes_).index("spam")
    return {
        "label": model.predict(texts).tolist(),
        "spam_probability": model.predict_proba(texts)[:, column].tolist(),
    }


def _maintenance(model: Any, rows: pd.DataFrame) -> dict[str, list[Any]]:
    return {
        "failure": model.predict(rows).astype(bool).tolist(),
        "failure_probability": model.predict_proba(rows)[:, 1].tolist(),
    }


def _recommender(model: Any, rows: pd.DataFrame) -> dict[str, list[Any]]:
    scores = np.asarray(model.transform(rows))
    return {"scores": np.sort(scores, axis=1)[:, ::-1][:, :10].ravel().tolist()}


EXPECTED = {"spam": _spam, "maintenance": _maintenance, "recommender": _recommender}


def test_a_second_run_with_nothing_new_is_all_cache_and_changes_nothing(
    place: Place, first: dict[str, dict[str, Any]]
) -> None:
    before = place.files("spam")
    again = place.run("spam", "--because", "monday")
    assert again["sentence"] == "nothing is new: spam 1.0.0 serves as before"
    assert {step: state for step, state in states(again).items() if step in PURE} == dict.fromkeys(PURE, "cached")
    assert place.files("spam") == before
    assert (again["promoted"], again["version"]) == (False, first["spam"]["version"])


@pytest.fixture(scope="module")
def messages() -> pd.DataFrame:
    return spam.load()


def _flipped(messages: pd.DataFrame) -> pd.DataFrame:
    return messages.assign(label=messages["label"].map({"ham": "spam", "spam": "ham"}))


def _partly_flipped(messages: pd.DataFrame) -> pd.DataFrame:
    """Flip as many labels of each kind, which leaves the balance as it was."""
    flipped = messages.copy()
    for label, other in (("ham", "spam"), ("spam", "ham")):
        some = messages.index[messages["label"] == label][:200]
        flipped.loc[some, "label"] = other
    return flipped


def _repeated(messages: pd.DataFrame) -> pd.DataFrame:
    """Split by hand, with the first ten training messages in the test part again."""
    split = np.resize(["train", "train", "train", "validation", "test"], len(messages))
    parted = messages.drop_duplicates("text").assign(split=split[: messages["text"].nunique()])
    return pd.concat([parted, parted[parted["split"] == "train"].head(10).assign(split="test")])


@pytest.mark.parametrize(
    ("poison", "words"),
    [
        pytest.param(_flipped, ("label",), id="all labels flipped"),
        pytest.param(_partly_flipped, ("label", "champion"), id="labels flipped in balance"),
        pytest.param(_repeated, ("text", "test"), id="duplicates across splits"),
    ],
)
def test_poisoned_data_are_stopped_before_anything_is_trained(  # noqa: PLR0917 (fixtures and cases)
    place: Place,
    first: dict[str, dict[str, Any]],
    messages: pd.DataFrame,
    tmp_path: Path,
    poison: Any,
    words: tuple[str, ...],
) -> None:
    before = place.files("spam")
    poison(messages).to_parquet(tmp_path / "poisoned.parquet")
    result = place.run("spam", "--data", str(tmp_path / "poisoned.parquet"), code=1)
    assert result["sentence"].startswith("stopped at validate_data: ")
    assert all(word in result["sentence"] for word in words), result["sentence"]
    assert "train_model" not in states(result)
    assert place.files("spam") == before
    assert result["version"] == first["spam"]["version"]


def test_a_column_that_has_moved_is_named(place: Place, first: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    products = use_case("maintenance").load()
    moved = products.assign(torque=products["torque"] + 12)
    moved.to_csv(tmp_path / "moved.csv", index=False)
    result = place.run("maintenance", "--data", str(tmp_path / "moved.csv"), code=1)
    assert result["sentence"].startswith("stopped at validate_data: ")
    assert "torque" in result["sentence"]
    assert result["version"] == first["maintenance"]["version"]


def test_a_worse_challenger_leaves_the_champion_where_it_is(
    place: Place, first: dict[str, dict[str, Any]], messages: pd.DataFrame, tmp_path: Path
) -> None:
    before = place.files("spam")
    parts = spam.split(messages, seed=0)
    few = parts.train.groupby("label").head(60)
    named = [part.assign(split=name) for part, name in ((few, "train"), (parts.validation, "validation"))]
    pd.concat([*named, parts.test.assign(split="test")]).to_parquet(tmp_path / "few.parquet")
    result = place.run("spam", "--data", str(tmp_path / "few.parquet"))
    assert (result["state"], result["promoted"], result["version"]) == ("succeeded", False, "1.0.0")
    assert result["sentence"].startswith("spam 1.0.0 stays the champion: ")
    assert "package_model" not in states(result)
    assert place.files("spam") == before


def test_a_step_that_breaks_is_named_with_its_reason(churn: Place) -> None:
    module = churn.folder / "churn.py"
    whole = module.read_text()
    module.write_text(
        whole.replace("def fit(", "def fit(*_given: object) -> None:\n    raise OSError('no disk')\n\n\ndef _fit(")
    )
    try:
        result = churn.run("churn", code=1)
    finally:
        module.write_text(whole)
    assert result["sentence"] == "stopped at train_model: OSError: no disk"
    assert states(result)["report_run"] == "done"
    assert result["version"] is None


@pytest.mark.parametrize(
    ("hindrance", "sentence"),
    [
        pytest.param(
            "(registry / '.runs' / 'churn' / (os.environ['PORTSIDE_RUN'] + '.json')).mkdir(parents=True)",
            "stopped at resolve_inputs: OSError: no disk",
            id="its record cannot be written",
        ),
        pytest.param(
            "shutil.rmtree(registry); registry.touch()", "resolve_inputs failed:\n", id="the registry cannot be reached"
        ),
    ],
)
def test_a_step_that_breaks_is_named_even_where_the_exit_step_breaks_too(
    churn: Place, tmp_path: Path, hindrance: str, sentence: str
) -> None:
    module = churn.folder / "churn.py"
    whole = module.read_text()
    breaking = f"""
def load() -> None:
    import os, shutil
    from pathlib import Path
    registry = Path({str(tmp_path / "registry")!r})
    {hindrance}
    raise OSError("no disk")


def _load("""
    module.write_text(whole.replace("def load(", breaking.lstrip()))
    words = [*churn.command("churn", "--root", str(tmp_path / "registry"))]
    try:
        done = subprocess.run(
            [word for word in words if word != "--json"], capture_output=True, text=True, cwd=churn.folder
        )
    finally:
        module.write_text(whole)
    assert done.returncode == 1, done.stdout
    assert sentence in done.stderr
    assert "OSError: no disk" in done.stderr
    assert "  report_run" in done.stdout


@pytest.mark.parametrize(
    ("ending", "group", "code"),
    [
        pytest.param(signal.SIGKILL, False, -signal.SIGKILL, id="killed by itself"),
        pytest.param(signal.SIGTERM, False, -signal.SIGTERM, id="ended by itself"),
        pytest.param(signal.SIGINT, True, 1, id="Ctrl-C"),
    ],
)
def test_a_run_takes_the_step_that_is_under_way_with_it(
    churn: Place, tmp_path: Path, ending: signal.Signals, group: bool, code: int
) -> None:
    module = churn.folder / "churn.py"
    whole = module.read_text()
    waiting = "def load() -> None:\n    import time\n\n    print('waiting')\n    time.sleep(600)\n\n\ndef _load("
    module.write_text(whole.replace("def load(", waiting))
    work = tmp_path / "work"
    running = start(churn, "churn", "--work", str(work))
    try:
        deadline = time.monotonic() + _KILL_SECONDS
        while "waiting" not in "".join(log.read_text() for log in work.glob("churn/*.logs/resolve_inputs.txt")):
            assert time.monotonic() < deadline, "the run never came to resolve_inputs"
            time.sleep(0.02)
        (os.killpg if group else os.kill)(running.pid, ending)
        _, said = running.communicate()
        while _is_alive(running.pid):
            assert time.monotonic() < deadline, "the step goes on without its run"
            time.sleep(0.02)
    finally:
        module.write_text(whole)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == code
    assert "Traceback" not in said


def _is_alive(session: int) -> bool:
    """Return whether a process of the session goes on; those that have ended and wait for init are none."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            return True
    return False


def test_a_run_killed_in_its_middle_leaves_nothing_half_done_and_the_next_one_finishes(churn: Place) -> None:
    running = start(churn, "churn", "--seed", "7")
    logs = churn.folder / "build" / "pipelines" / "churn"
    deadline = time.monotonic() + _KILL_SECONDS
    while not list(logs.glob("*.logs/package_model.txt")) and running.poll() is None:
        assert time.monotonic() < deadline, "the run never came to package_model"
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert [path for path in churn.registry.rglob("artifact.json") if path.is_file()] == []
    result = churn.run("churn", "--seed", "7")
    assert (result["state"], result["version"], result["promoted"]) == ("succeeded", "1.0.0", True)
    went = states(result)
    assert {went[step] for step in PURE[:5]} == {"cached"}
    assert went["package_model"] == "done"


def test_two_runs_of_one_model_in_one_folder_do_not_mix(churn: Place) -> None:
    running = start(churn, "churn", "--seed", "8")
    lock = churn.folder / "build" / "pipelines" / "churn" / "lock"
    try:
        deadline = time.monotonic() + _KILL_SECONDS
        while not _is_held(lock):
            assert time.monotonic() < deadline, "the first run never took the folder"
            time.sleep(0.02)
        second = subprocess.run(churn.command("churn"), capture_output=True, text=True, cwd=churn.folder)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert second.returncode == 2
    assert "a run of churn is under way in" in second.stderr


def _is_held(lock: Path) -> bool:
    """Return whether a process holds the lock, as the system's own table has it."""
    if not lock.exists():
        return False
    return any(f":{lock.stat().st_ino} " in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["nosuch"], "nosuch", id="unknown use case"),
        pytest.param(["spam", "--data", "nosuch.csv"], "nosuch.csv: there is no such file", id="no data"),
        pytest.param(["spam", "--http-port", "8080"], "are those of --serve", id="port without server"),
        pytest.param(["spam", "--serve", "--http-port", "80800"], "80800 is not in the range", id="no port"),
        pytest.param(["spam", "--notify", "ops@example.com"], "is no http or https address", id="nobody to be told"),
        pytest.param(["spam", "--root", "https://models"], "a registry is s3://BUCKET", id="unusable registry"),
        pytest.param(["spam", "--option", "replicas"], "'replicas' is not NAME=VALUE", id="option without value"),
        pytest.param(["spam", "--option", "replicas=2"], "add --deploy kserve", id="option of no deployment"),
        pytest.param(["spam", "--deploy", "kserve"], "which pods cannot read", id="pods and a folder"),
        pytest.param(
            ["spam", "--deploy", "kserve", "--root", "file:///models"],
            "which pods cannot read",
            id="pods and a file://",
        ),
        pytest.param(
            ["spam", "--deploy", "kserve", "--root", "s3://m", "--option", "cpus=2"],
            "no option cpus",
            id="unknown option",
        ),
    ],
)
def test_a_run_that_cannot_begin_says_why(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "portside", "pipeline", "run", *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "sentence"),
    [("--work", "cannot be written to (Not a directory); give another folder"), ("--root", "cannot be written: Not a")],
)
def test_a_place_that_cannot_be_written_to_is_told_before_any_step_runs(
    tmp_path: Path, option: str, sentence: str
) -> None:
    words = [sys.executable, "-m", "portside", "pipeline", "run", "spam", option, "/dev/null/place"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("portside: /dev/null/place")
    assert sentence in done.stderr
