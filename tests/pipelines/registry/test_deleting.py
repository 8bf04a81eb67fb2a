# SPDX-License-Identifier: Apache-2.0
"""Deleting versions: what is refused, what is gone, and what an interrupted deletion leaves."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.registry import Registry, RegistryError, UnknownVersionError, VersionExistsError, open_registry
from tests.cluster.kubernetes_server import Kubernetes, kubernetes
from tests.pipelines.registry.command_line import output, refused, run
from tests.pipelines.registry.s3_server import Store

SERVED = "s3://models/team/iris/1.2.0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kubernetes]:
    with kubernetes() as running:
        yield running


@pytest.fixture
def kubeconfig(cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead to a cluster that has no services yet."""
    cluster.objects.clear()
    _lead_to(cluster.kubeconfig(tmp_path / "kubeconfig"), monkeypatch)


def test_a_deleted_version_is_gone_with_its_aliases_and_may_be_published_again(
    filled_anywhere: Registry, versions: list[Path]
) -> None:
    _name_champions(filled_anywhere)
    filled_anywhere.tag("iris", "staging", "1.2.0")
    assert output("models", "delete", "iris", "1.2.0", "--yes", "--root", filled_anywhere.root) == (
        f"deleted {filled_anywhere.root}/iris/1.2.0\n"
    )
    assert filled_anywhere.versions("iris") == ["1.0.0", "1.10.0"]
    assert filled_anywhere.aliases("iris").named() == {"champion": "1.0.0", "previous": "1.10.0"}
    with pytest.raises(UnknownVersionError, match=r"iris has no version 1\.2\.0; it has: 1\.0\.0, 1\.10\.0"):
        filled_anywhere.manifest("iris", "1.2.0")
    filled_anywhere.publish(versions[1])
    assert filled_anywhere.tag("iris", "staging", "1.2.0").other == {"staging": "1.2.0"}


def test_nothing_of_a_deleted_version_is_left(store: Store, filled_bucket: Registry, tmp_path: Path) -> None:
    filled_bucket.delete("iris", "1.2.0")
    assert [key for key in store.objects("team/iris/") if "1.2.0" in key] == []
    folder = open_registry(str(tmp_path))
    folder.publish(filled_bucket.fetch("iris", "1.0.0", tmp_path / "fetched"))
    folder.delete("iris", "1.0.0")
    assert [path.name for path in (tmp_path / "iris").iterdir()] == [".aliases"]


@pytest.mark.parametrize(("version", "alias"), [("1.0.0", "champion"), ("1.10.0", "previous")])
def test_the_champion_and_the_one_before_stay(filled: Registry, version: str, alias: str) -> None:
    _name_champions(filled)
    assert refused("models", "delete", "iris", version, "--yes", "--root", filled.root) == (
        f"portside: iris {version} is {alias} and stays; to delete it, give the alias to another version first: "
        f"`portside models tag iris VERSION {alias}`"
    )
    assert filled.versions("iris") == ["1.0.0", "1.2.0", "1.10.0"]


def test_what_is_not_there_is_not_deleted(filled: Registry) -> None:
    assert "iris has no version 9" in refused("models", "delete", "iris", "9", "--yes", "--root", filled.root)
    assert "has no model rose" in refused("models", "delete", "rose", "1", "--yes", "--root", filled.root)


def test_nobody_there_to_be_asked_is_told(versions: list[Path], tmp_path: Path) -> None:
    open_registry(str(tmp_path)).publish(versions[0])
    ended = run("models", "delete", "iris", "1.0.0", "--root", tmp_path)
    assert ended.returncode == 2
    assert "say --yes to delete it" in ended.stderr
    assert open_registry(str(tmp_path)).versions("iris") == ["1.0.0"]


def test_who_is_there_is_asked(versions: list[Path], tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path))
    registry.publish(versions[0])
    ours, its = pty.openpty()
    os.write(ours, b"n\n")
    command = [sys.executable, "-m", "portside", "models", "delete", "iris", "1.0.0", "--root", str(tmp_path)]
    ended = subprocess.run(command, stdin=its, capture_output=True, text=True, timeout=60)
    os.close(ours)
    os.close(its)
    assert ended.returncode == 1, ended.stderr
    assert f"to be deleted: {tmp_path}/iris/1.0.0" in ended.stderr
    assert "delete iris 1.0.0? [y/N]" in ended.stderr
    assert registry.versions("iris") == ["1.0.0"]


def test_a_deletion_killed_midway_has_deleted_and_another_finishes_it(
    store: Store, filled_bucket: Registry, versions: list[Path]
) -> None:
    delete = ("models", "delete", "iris", "1.2.0", "--yes", "--root", "s3://models/team")
    with store.door.held("DELETE", "/golden.json"):
        process = subprocess.Popen([sys.executable, "-m", "portside", *delete])
        assert store.door.arrived.wait(60)
        process.kill()
        process.wait()
    assert "team/iris/1.2.0/golden.json" in store.objects()
    assert filled_bucket.versions("iris") == ["1.0.0", "1.10.0"]
    finish = "finish it with `portside models delete iris 1.2.0`"
    with pytest.raises(RegistryError, match=finish):
        filled_bucket.publish(versions[1])
    with pytest.raises(RegistryError, match=finish):
        filled_bucket.tag("iris", "champion", "1.2.0")
    assert output(*delete) == "deleted s3://models/team/iris/1.2.0\n"
    assert [key for key in store.objects("team/iris/") if "1.2.0" in key] == []
    filled_bucket.publish(versions[1])


def test_a_deletion_in_a_folder_that_was_killed_before_its_end_is_finished_by_another(
    versions: list[Path], tmp_path: Path
) -> None:
    registry = open_registry(str(tmp_path))
    registry.publish(versions[0])
    registry.tag("iris", "staging", "1.0.0")
    log = tmp_path / "iris" / ".aliases"
    registry.delete("iris", "1.0.0")
    (log / "000003.json").unlink()  # the last thing that a deletion writes
    with pytest.raises(RegistryError, match="this version is being deleted"):
        registry.publish(versions[0])
    registry.delete("iris", "1.0.0")
    registry.publish(versions[0])
    assert registry.versions("iris") == ["1.0.0"]


def test_a_version_whose_publisher_was_killed_at_the_very_end_is_deleted(store: Store, filled_bucket: Registry) -> None:
    store.put("team/iris/.1.2.0.publishing", b"sha256:whatever\n")
    filled_bucket.delete("iris", "1.2.0")
    assert [key for key in store.objects("team/iris/") if "1.2.0" in key] == []


def test_a_version_is_no_longer_there_as_soon_as_its_manifest_is_not(store: Store, filled_bucket: Registry) -> None:
    store.client.delete_object(Bucket="models", Key="team/iris/1.2.0/artifact.json")
    assert filled_bucket.versions("iris") == ["1.0.0", "1.10.0"]
    with pytest.raises(UnknownVersionError):
        filled_bucket.delete("iris", "1.2.0")


@pytest.mark.usefixtures("kubeconfig")
def test_what_services_want_stays(cluster: Kubernetes, filled_bucket: Registry) -> None:
    cluster.put(
        _service("bare", SERVED),
        _service("folder", f"{SERVED}/"),
        _service("of-all", "s3://models/team/iris/"),
        _service("other", f"{SERVED}0/"),
    )
    told = refused("models", "delete", "iris", "1.2.0", "--yes", "--root", "s3://models/team")
    assert f"{SERVED}: is served by models/bare, models/folder, models/of-all; bring another version in first" in told
    assert "1.2.0" in filled_bucket.versions("iris")
    output("models", "delete", "iris", "1.2.0", "--yes", "--no-cluster", "--root", "s3://models/team")


@pytest.mark.usefixtures("kubeconfig")
def test_what_a_pod_still_serves_stays_and_the_rest_may_go(cluster: Kubernetes, filled_bucket: Registry) -> None:
    annotation = {"internal.serving.kserve.io/storage-initializer-sourceuri": f"{SERVED}/"}
    labels = {"serving.kserve.io/inferenceservice": "flowers"}
    pod = {"name": "flowers-1", "namespace": "models", "labels": labels, "annotations": annotation}
    cluster.put(
        _service("flowers", "s3://models/team/iris/1.10.0/"),
        {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {}},
    )
    told = refused("models", "delete", "iris", "1.2.0", "--yes", "--context", "test", "--root", "s3://models/team")
    assert "is served by models/flowers" in told
    output("models", "delete", "iris", "1.0.0", "--yes", "--root", "s3://models/team")


def test_a_cluster_that_cannot_be_asked_keeps_what_it_may_serve(
    filled_bucket: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lead_to(tmp_path / "none", monkeypatch)
    told = refused("models", "delete", "iris", "1.2.0", "--yes", "--root", "s3://models/team")
    assert "whether a cluster serves it cannot be found out: no usable kubeconfig" in told
    assert told.endswith("say --no-cluster")
    assert "1.2.0" in filled_bucket.versions("iris")


def test_no_cluster_is_asked_about_a_folder(
    versions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_registry(str(tmp_path)).publish(versions[0])
    _lead_to(tmp_path / "none", monkeypatch)
    output("models", "delete", "iris", "1.0.0", "--yes", "--root", tmp_path)


def test_a_version_that_is_there_is_still_refused_after_others_were_deleted(
    filled: Registry, versions: list[Path]
) -> None:
    filled.delete("iris", "1.2.0")
    with pytest.raises(VersionExistsError, match="is this very artifact"):
        filled.publish(versions[0])


def _name_champions(registry: Registry) -> None:
    """Make 1.0.0 the champion and 1.10.0 the one before it."""
    for version in ("1.10.0", "1.0.0"):
        registry.tag("iris", "champion", version)


def _lead_to(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    # The client reads the variable when it is imported, which another test may have done.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


def _service(name: str, uri: str) -> dict[str, object]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": "models"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "portside"}, "storageUri": uri}}},
    }
