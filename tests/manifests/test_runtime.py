# SPDX-License-Identifier: Apache-2.0
"""The runtime: what Kubernetes is told agrees with what the server does."""

import pytest

from predictors.serving.settings import Settings
from tests.manifests.rendering import MANIFESTS, NAMES, PLACES, needs_kubectl, one, render

pytestmark = needs_kubectl


@pytest.mark.parametrize("place", PLACES)
def test_every_place_names_an_image(place: str) -> None:
    (container,) = one(render(MANIFESTS / "runtimes/overlays" / place), "ClusterServingRuntime")["spec"]["containers"]
    assert not container["image"].endswith(":replace")
    assert not container["image"].endswith(":latest")
    assert ("@sha256:" in container["image"]) == (place == "production")


def test_the_variables_it_sets_are_settings_of_the_server() -> None:
    (container,) = one(render(MANIFESTS / "runtimes/base"), "ClusterServingRuntime")["spec"]["containers"]
    environ = {variable["name"]: variable["value"] for variable in container["env"]}
    settings = Settings.from_env(environ)
    assert settings.drain_seconds == 5
    assert settings.shutdown_seconds == 30


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_is_given_the_time_that_pre_stop_drain_and_shutdown_take(name: str) -> None:
    (container,) = one(render(MANIFESTS / "runtimes/base"), "ClusterServingRuntime")["spec"]["containers"]
    settings = Settings.from_env({variable["name"]: variable["value"] for variable in container["env"]})
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.drain_seconds + settings.shutdown_seconds
    service = one(render(MANIFESTS / "services" / name / "base"), "InferenceService")
    assert needed < service["spec"]["predictor"]["terminationGracePeriodSeconds"] <= needed + 10


def test_the_gateway_waits_a_little_longer_than_the_server_takes_to_refuse() -> None:
    (rule,) = one(render(MANIFESTS / "services/spam/base"), "HTTPRoute")["spec"]["rules"]
    deadline = Settings.from_env({}).deadline_seconds
    assert deadline < float(rule["timeouts"]["request"].removesuffix("s")) <= deadline + 10


def test_the_container_may_do_nothing_but_serve() -> None:
    (container,) = one(render(MANIFESTS / "runtimes/base"), "ClusterServingRuntime")["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
