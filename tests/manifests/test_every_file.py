# SPDX-License-Identifier: Apache-2.0
"""Every file under manifests/ has a use: a kustomization takes it in, or the installation reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.manifests.rendering import MANIFESTS

#: Read by the installation itself.
READ = {"kserve-settings.yaml", "versions.env"}
ALSO = {"kustomization.yaml", "README.md"}


def test_every_file_is_taken_in_by_the_kustomization_beside_it() -> None:
    files = {path for path in MANIFESTS.rglob("*") if path.is_file() and path.name not in READ | ALSO}
    taken = {path for kustomization in MANIFESTS.rglob("kustomization.yaml") for path in _files(kustomization)}
    assert files - taken == set()
    assert {path for path in taken if not path.exists()} == set()


def test_every_component_is_taken_in_by_some_overlay_or_base() -> None:
    used = {
        (kustomization.parent / component).resolve()
        for kustomization in MANIFESTS.rglob("kustomization.yaml")
        for component in yaml.safe_load(kustomization.read_text()).get("components", [])
    }
    assert {path.parent for path in (MANIFESTS / "components").glob("*/kustomization.yaml")} == used


def _files(kustomization: Path) -> Iterator[Path]:
    document: dict[str, Any] = yaml.safe_load(kustomization.read_text())
    named = [
        *document.get("resources", []),
        *(patch["path"] for patch in document.get("patches", []) if "path" in patch),
    ]
    for generator in (*document.get("configMapGenerator", []), *document.get("secretGenerator", [])):
        named += [*generator.get("envs", []), *(each.rpartition("=")[2] for each in generator.get("files", []))]
    for name in named:
        path = kustomization.parent / name
        if not path.is_dir():
            yield path.resolve()
