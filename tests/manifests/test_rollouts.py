# SPDX-License-Identifier: Apache-2.0
"""The controller of rollouts: a closed pod with few rights, and a kind that says what the controller reads."""

import re
from typing import Any

import pytest

from rollouts import spec as own
from rollouts.controller.settings import Settings
from rollouts.gates.result import Outcome
from rollouts.phases import Phase
from rollouts.spec import End, WhenBusy, parse_duration, read_rollout
from rollouts.status import Status
from rollouts.status_document import status_document
from tests.manifests.rendering import MANIFESTS, needs_kubectl, one, render

pytestmark = needs_kubectl

OVERLAYS = MANIFESTS / "controllers/rollouts/overlays"

Object = dict[str, Any]


@pytest.fixture(scope="module")
def documents(place: str) -> list[Object]:
    return render(OVERLAYS / place)


@pytest.fixture(scope="module")
def version() -> Object:
    """The one version of the kind."""
    (found,) = one(render(OVERLAYS / "kind"), "CustomResourceDefinition")["spec"]["versions"]
    return dict(found)


@pytest.fixture(scope="module")
def fields(version: Object) -> Object:
    """The schema of spec's fields."""
    return dict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])


@pytest.fixture(scope="module")
def told(version: Object) -> Object:
    """The schema of status' fields."""
    return dict(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])


def test_every_place_names_an_image(documents: list[Object], place: str) -> None:
    name = _container(documents)["image"].rsplit("/", 1)[1]
    assert name.startswith("rollouts@sha256:" if place == "production" else "rollouts:0.")


def test_its_pod_is_closed_probed_and_bounded(documents: list[Object]) -> None:
    pod, container = _pod(documents), _container(documents)
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert container["resources"]["limits"].keys() == {"memory"}
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "/healthz"
    }


def test_its_variables_are_settings_that_name_the_ports_and_the_lease(documents: list[Object]) -> None:
    container, lease = _container(documents), one(documents, "Lease")["metadata"]
    namespace = one(documents, "Deployment")["metadata"]["namespace"]
    settings = Settings.from_env({each["name"]: each.get("value", namespace) for each in container["env"]})
    assert [port["containerPort"] for port in container["ports"]] == [settings.port]
    assert (settings.lease, settings.lease_namespace) == (lease["name"], lease["namespace"])
    roles = [each["metadata"]["namespace"] for each in documents if each["kind"] == "Role"]
    assert {*settings.namespaces, namespace} == set(roles)


def test_applying_the_lease_again_says_nothing_of_its_holder(documents: list[Object]) -> None:
    assert one(documents, "Lease").keys() == {"apiVersion", "kind", "metadata"}


def test_it_may_do_what_a_rollout_takes_in_the_models_namespace_and_nothing_cluster_wide(
    documents: list[Object],
) -> None:
    assert not [each for each in documents if each["kind"].startswith("ClusterRole")]
    roles = {each["metadata"]["namespace"]: each["rules"] for each in documents if each["kind"] == "Role"}
    allowed = {
        resource: set(rule["verbs"]) - {"get", "list", "watch"}
        for rule in roles["models"]
        for resource in rule["resources"]
    }
    assert {resource: verbs for resource, verbs in allowed.items() if verbs} == {
        "modelrollouts": {"patch"},
        "modelrollouts/status": {"patch"},
        "inferenceservices": {"patch"},
        "httproutes": {"patch"},
        "grpcroutes": {"patch"},
        "events": {"create"},
        "horizontalpodautoscalers": {"delete"},
    }
    assert not {"secrets", "*"} & allowed.keys()
    assert roles["portside-system"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [one(documents, "Lease")["metadata"]["name"]],
            "verbs": ["get", "patch"],
        }
    ]


def test_every_role_is_given_to_its_account_and_to_nobody_else(documents: list[Object]) -> None:
    account = one(documents, "ServiceAccount")["metadata"]
    bindings = [each for each in documents if each["kind"] == "RoleBinding"]
    given = [(each["metadata"]["namespace"], each["roleRef"]["name"]) for each in bindings]
    roles = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in documents if each["kind"] == "Role"]
    assert sorted(given) == sorted(roles)
    for binding in bindings:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
    assert _pod(documents)["serviceAccountName"] == account["name"]


def test_the_network_policy_selects_its_pods_and_lets_prometheus_in(documents: list[Object]) -> None:
    policy = one(documents, "NetworkPolicy")["spec"]
    labels = one(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (into,) = policy["ingress"]
    assert [peer["podSelector"]["matchLabels"] for peer in into["from"]] == [{"app.kubernetes.io/name": "prometheus"}]
    assert all(rule["ports"] for rule in policy["egress"])


def test_every_object_names_what_it_belongs_to(documents: list[Object]) -> None:
    assert {each["metadata"]["labels"]["app.kubernetes.io/part-of"] for each in documents} == {"portside"}


def test_the_kind_is_the_one_that_the_controller_reads(documents: list[Object]) -> None:
    definition = one(documents, "CustomResourceDefinition")["spec"]
    assert (definition["group"], definition["names"]["plural"]) == (own.GROUP, own.PLURAL)
    assert (definition["names"]["kind"], definition["scope"]) == (own.KIND, "Namespaced")
    assert [version["name"] for version in definition["versions"]] == [own.VERSION]


def test_kubectl_shows_how_each_stands(version: Object) -> None:
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["Service", "Version", "Phase", "Step", "Traffic", "Verdict", "Age"]
    assert version["subresources"] == {"status": {}}


def test_defaults_are_those_of_the_controller(fields: Object) -> None:
    completed = {name: field["default"] for name, field in fields.items() if "default" in field}
    assert read_rollout(_document(completed)) == read_rollout(_document({}))
    assert completed.keys() == fields.keys() - {"inferenceService", "storageUri", "shadow", "gates", "end"}


def test_choices_and_phases_are_those_of_the_controller(fields: Object, told: Object) -> None:
    assert fields["whenBusy"]["enum"] == [str(each) for each in WhenBusy]
    assert fields["end"]["enum"] == [str(each) for each in End]
    assert sorted(told["phase"]["enum"]) == sorted(map(str, Phase))
    assert sorted(told["gates"]["items"]["properties"]["outcome"]["enum"]) == sorted(map(str, Outcome))


def test_all_that_is_written_into_a_status_is_in_the_schema(told: Object) -> None:
    document = status_document(read_rollout(_document({})), Status(), 1)
    assert document.keys() == told.keys()
    assert document["shadow"].keys() == told["shadow"]["properties"].keys()
    assert told["state"]["x-kubernetes-preserve-unknown-fields"] is True


@pytest.mark.parametrize("field", ["deadline", "readyDeadline", "keepPrevious"])
@pytest.mark.parametrize(
    ("text", "fits"),
    [("30m", True), ("1h30m", True), ("1.5h", True), ("500ms", True), ("30", False), ("m", False), ("1 h", False)],
)
def test_durations_that_pass_are_those_that_the_controller_reads(
    fields: Object, field: str, text: str, *, fits: bool
) -> None:
    (rule,) = fields[field]["x-kubernetes-validations"]
    pattern = re.search(r"matches\('(\^.*?\$)'\)", rule["rule"])
    assert pattern is not None
    assert bool(re.search(pattern[1], text)) is fits
    if fits:
        assert parse_duration(text) > 0


@pytest.mark.parametrize(
    ("uri", "fits"),
    [
        ("s3://models/spam/1.1.0", True),
        ("s3://models/spam/1.1.0/", True),
        ("pvc://claim/spam/1.1.0", True),
        ("https://host/spam-1.1.0.tgz", True),
        ("models/spam/1.1.0", False),
        ("s3://models", False),
        ("s3://models/", False),
        ("s3://mod els/spam", False),
    ],
)
def test_an_artifact_has_a_scheme_and_a_version(fields: Object, uri: str, *, fits: bool) -> None:
    (rule,) = fields["storageUri"]["x-kubernetes-validations"]
    pattern = re.fullmatch(r"self\.matches\('(.*)'\)", rule["rule"])
    assert pattern is not None
    assert bool(re.search(pattern[1].replace("\\\\", "\\"), uri)) is fits


def test_every_field_is_explained(fields: Object, told: Object) -> None:
    assert [name for name, field in fields.items() if not field.get("description")] == []
    plain = {"observedGeneration", "phase", "exposureToVerdictSeconds", "verdictToZeroTrafficSeconds"}
    assert [name for name, field in told.items() if not field.get("description") and name not in plain] == []


def _document(spec: Object) -> Object:
    metadata = {"name": "r", "namespace": "models", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {"inferenceService": "spam", "storageUri": "s3://models/spam/1.1.0", **spec}}


def _pod(documents: list[Object]) -> Object:
    return dict(one(documents, "Deployment")["spec"]["template"]["spec"])


def _container(documents: list[Object]) -> Object:
    (container,) = _pod(documents)["containers"]
    return dict(container)
