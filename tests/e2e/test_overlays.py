# SPDX-License-Identifier: Apache-2.0
"""Every overlay is accepted by the API server, its schemas and its webhooks."""

from pathlib import Path

import pytest

from tests.e2e.kubernetes import kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = sorted(path.parent.relative_to(MANIFESTS) for path in MANIFESTS.glob("**/overlays/*/kustomization.yaml"))


def test_there_are_overlays_of_every_place() -> None:
    assert {overlay.name for overlay in OVERLAYS} == {"kind", "staging", "production"}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=str)
def test_an_overlay_passes_a_dry_run_on_the_server(platform: None, overlay: Path) -> None:
    told = kubectl("apply", "--dry-run=server", "--kustomize", str(MANIFESTS / overlay))
    assert told.count("(server dry run)") == len(told.strip().splitlines()) > 0
