# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster import ClusterError
from cluster.platform.controller_release import all_downloads
from cluster.platform.controllers import CONTROLLERS
from cluster.platform.versions import Versions
from tests.cluster.platform.installation import FILES, ROOT

SHIPPED = ROOT / "manifests" / "controllers" / "versions.env"


def write(folder: Path, text: str) -> Versions:
    path = folder / "versions.env"
    path.write_text(text)
    return Versions(path)


@pytest.mark.parametrize("controller", CONTROLLERS, ids=lambda controller: controller.key)
def test_the_version_that_is_installed_is_a_supported_one(controller: object) -> None:
    versions, key = Versions(SHIPPED), getattr(controller, "key", "")
    assert versions.supports(key, versions.installed(key))


def test_every_file_has_a_name_of_its_own_and_comes_over_https_from_a_fixed_version() -> None:
    downloads = all_downloads(Versions(SHIPPED))
    assert len({download.name for download in downloads}) == len(FILES)
    assert [one.url for one in downloads if not re.fullmatch(r"https://.*\d+\.\d+\.\d+/.+\.yaml", one.url)] == []
    assert [one.url for one in downloads if re.search(r"latest|main|master", one.url)] == []


def test_a_shell_reads_the_same_urls() -> None:
    script = 'source "$0"; for file in "$@"; do name=${file}_URL; echo "${!name}"; done'
    told = subprocess.run(["bash", "-euc", script, SHIPPED, *FILES], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [download.url for download in all_downloads(Versions(SHIPPED))]


@pytest.mark.parametrize(
    ("version", "supported"),
    [("0.19.9", False), ("0.20.0", True), ("0.20.1-rc1", True), ("0.21.3", True), ("0.22.0", False)],
)
def test_a_version_is_supported_from_the_first_to_below_the_last(
    tmp_path: Path, version: str, *, supported: bool
) -> None:
    versions = write(tmp_path, 'KSERVE_SUPPORTED=">=0.20,<0.22"\n')
    assert versions.supports("KSERVE", version) is supported


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("KEDA_VERSION 1", "line 1: not of the form NAME=value", id="not an assignment"),
        pytest.param("# only this", "lacks KEDA_SHA256", id="missing"),
        pytest.param("KEDA_SHA256=abc", "KEDA_SHA256 is not a SHA-256", id="no digest"),
        pytest.param("KEDA_SHA256=\nKEDA_VERSION=1\nKEDA_URL=${NOTHING}", "lacks KEDA_URL", id="names nothing"),
    ],
)
def test_a_bad_file_is_told_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ClusterError, match=re.escape(told)):
        write(tmp_path, text).download("KEDA", "KEDA")


def test_the_kind_node_is_named_by_digest_and_its_ports_are_open_to_this_machine_alone() -> None:
    config = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    (node,) = config["nodes"]
    assert re.fullmatch(r"kindest/node:v1\.34\.\d+@sha256:[0-9a-f]{64}", node["image"])
    mappings = {port["hostPort"]: port["containerPort"] for port in node["extraPortMappings"]}
    assert mappings == {8080: 30080, 8081: 30081, 9000: 30900}
    assert {port["listenAddress"] for port in node["extraPortMappings"]} == {"127.0.0.1"}
