# SPDX-License-Identifier: Apache-2.0
"""The pipelines' pods: they speak the command's language, and may do what a deployment needs and no more."""

from typing import Any

import click
import pytest

from pipelines.pipeline_commands import pipeline
from pipelines.use_cases import NAMES, use_case
from tests.manifests.rendering import MANIFESTS, needs_kubectl, one, render

pytestmark = needs_kubectl

OVERLAYS = MANIFESTS / "pipelines/overlays"
REGISTRIES = {"kind": "s3://models", "staging": "gs://models-staging", "production": "gs://models"}
TRAININGS = {"train-spam": "spam", "train-maintenance": "maintenance"}
READS = {"get", "list"}

Object = dict[str, Any]


@pytest.fixture(scope="module")
def documents(place: str) -> list[Object]:
    return render(OVERLAYS / place)


def test_every_place_names_an_image(documents: list[Object], place: str) -> None:
    assert len(pods(documents)) == 4
    for pod in pods(documents).values():
        name = pod["containers"][0]["image"].rsplit("/", 1)[1]
        assert name.startswith("pipeline@sha256:" if place == "production" else "pipeline:0.")


def test_pods_are_closed_and_write_to_one_folder(documents: list[Object]) -> None:
    for pod in pods(documents).values():
        (container,) = pod["containers"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["resources"]["limits"].keys() == {"memory"}


def test_only_pods_that_deploy_speak_to_kubernetes(documents: list[Object]) -> None:
    speaks = {name: pod["automountServiceAccountToken"] for name, pod in pods(documents).items()}
    deploys = {name: "--deploy=kserve" in pod["containers"][0]["args"] for name, pod in pods(documents).items()}
    assert speaks == deploys
    assert one(documents, "ServiceAccount")["automountServiceAccountToken"] is False


def test_their_words_are_the_commands(documents: list[Object]) -> None:
    for pod in pods(documents).values():
        group, name, *words = pod["containers"][0]["args"]
        assert group == "pipeline"
        command = pipeline.commands[name]
        command.make_parser(click.Context(command)).parse_args(words)


def test_a_training_runs_at_the_use_cases_usual_time(documents: list[Object]) -> None:
    jobs = {each["metadata"]["name"]: each for each in documents if each["kind"] == "CronJob"}
    assert jobs.keys() == {*TRAININGS, "score-maintenance"}
    for job, name in TRAININGS.items():
        assert jobs[job]["spec"]["schedule"] == use_case(name).PLAN.cron
        assert jobs[job]["spec"]["timeZone"] == "Etc/UTC"
        assert pods(documents)[job]["containers"][0]["args"][:3] == ["pipeline", "run", name]


def test_a_refusal_is_final_and_an_accident_is_not(documents: list[Object]) -> None:
    for job in (each["spec"]["jobTemplate"]["spec"] for each in documents if each["kind"] == "CronJob"):
        (rule,) = job["podFailurePolicy"]["rules"]
        assert (rule["action"], rule["onExitCodes"]["values"], job["backoffLimit"]) == ("FailJob", [1, 2], 2)


def test_all_know_the_places_registry_and_the_object_stores_keys(documents: list[Object], place: str) -> None:
    settings = one(documents, "ConfigMap")
    assert settings["data"]["PORTSIDE_REGISTRY"] == REGISTRIES[place]
    scores = pods(documents)["score-maintenance"]["containers"][0]["args"]
    assert f"--out={REGISTRIES[place]}/scores/maintenance" in scores
    for pod in pods(documents).values():
        sources = pod["containers"][0]["envFrom"]
        assert {"configMapRef": {"name": settings["metadata"]["name"]}} in sources
        assert {"secretRef": {"name": "object-store", "optional": True}} in sources


def test_the_place_kind_leads_to_its_own_object_store() -> None:
    store = one(render(MANIFESTS / "configs/overlays/kind"), "PersistentVolumeClaim")["metadata"]
    (service,) = [
        each
        for each in render(MANIFESTS / "configs/overlays/kind")
        if each["kind"] == "Service" and each["metadata"]["name"] == store["name"]
    ]
    address = f"{store['name']}.{store['namespace']}.svc:{service['spec']['ports'][0]['port']}"
    assert one(render(OVERLAYS / "kind"), "ConfigMap")["data"]["AWS_ENDPOINT_URL"] == f"http://{address}"


def test_the_account_changes_only_what_makes_a_service(documents: list[Object]) -> None:
    changed = {
        resource: set(rule["verbs"]) - READS
        for rule in rules(documents)
        for resource in rule["resources"]
        if set(rule["verbs"]) - READS
    }
    makes = {"create", "patch", "delete"}
    assert changed == {
        "inferenceservices": makes,
        "httproutes": makes,
        "grpcroutes": makes,
        "backendtrafficpolicies": makes,
        "poddisruptionbudgets": makes,
        "modelrollouts": makes - {"delete"},
        "horizontalpodautoscalers": {"delete"},
        "pods/proxy": {"create"},
    }


def test_the_account_reads_no_secret_and_names_what_it_reads_elsewhere(documents: list[Object]) -> None:
    told = [
        rule for rule in rules(documents) if {"secrets", "*"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}
    ]
    assert told == []
    elsewhere = [
        role
        for role in documents
        if role["kind"] == "ClusterRole" or (role["kind"] == "Role" and role["metadata"]["namespace"] != "models")
    ]
    assert len(elsewhere) == 3
    for role in elsewhere:
        assert all(rule["resourceNames"] and rule["verbs"] == ["get"] for rule in role["rules"])


def test_every_role_is_given_to_the_account_and_to_nobody_else(documents: list[Object]) -> None:
    account = one(documents, "ServiceAccount")["metadata"]
    bindings = [each for each in documents if each["kind"].endswith("RoleBinding")]
    given = {(each["roleRef"]["kind"], each["metadata"].get("namespace"), each["roleRef"]["name"]) for each in bindings}
    roles = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in roles_of(documents)
    }
    assert given == roles
    for binding in bindings:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", **{key: account[key] for key in ("name", "namespace")}}
        ]


def test_the_webhook_retrains_every_use_case_and_is_found_by_its_service(documents: list[Object]) -> None:
    pod, service = pods(documents)["retrain"], one(documents, "Service")["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert {f"--model={name}" for name in NAMES} <= set(container["args"])
    assert f"--listen=0.0.0.0:{port['containerPort']}" in container["args"]
    assert [each["targetPort"] for each in service["ports"]] == [port["name"]]
    template = one(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= template.items()


def test_the_network_policy_lets_nobody_but_alertmanager_in(documents: list[Object]) -> None:
    policy = one(documents, "NetworkPolicy")["spec"]
    (into,) = policy["ingress"]
    (peer,) = into["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "alertmanager"}
    assert all(rule["ports"] for rule in policy["egress"])


def pods(documents: list[Object]) -> dict[str, Object]:
    """Return the pods' specs by the name of what makes them."""
    found = {}
    for document in documents:
        if document["kind"] == "CronJob":
            found[document["metadata"]["name"]] = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif document["kind"] == "Deployment":
            found[document["metadata"]["name"]] = document["spec"]["template"]["spec"]
    return found


def roles_of(documents: list[Object]) -> list[Object]:
    """Return the Roles and ClusterRoles."""
    return [document for document in documents if document["kind"] in ("Role", "ClusterRole")]


def rules(documents: list[Object]) -> list[Object]:
    """Return all that the account is allowed."""
    return [rule for role in roles_of(documents) for rule in role["rules"]]
