# SPDX-License-Identifier: Apache-2.0
"""What is not there, is no API server, or never answers is told in one sentence, and waited for no longer than said."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api import Cluster
from cluster.errors import ClusterError
from tests.cluster.kubernetes_server import Kubernetes, kubernetes

SECONDS = 0.3
PODS = "/api/v1/namespaces/models/pods"


@pytest.fixture
def lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what writes a kubeconfig, and leads the client to it."""

    def write(text: str) -> None:
        path = tmp_path / "kubeconfig"
        path.write_text(text)
        monkeypatch.setenv("KUBECONFIG", str(path))
        # The client has read the environment when it was imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))

    return write


def kubeconfig(server: str) -> str:
    entries = {
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "test", **entries})


@pytest.fixture
def server(lead: Any) -> Iterator[Kubernetes]:
    with kubernetes() as state:
        lead(kubeconfig(state.url))
        yield state


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """What a server waits for before it answers; the test's end."""
    over = threading.Event()
    yield over
    over.set()


def test_a_server_that_accepts_and_never_answers_is_given_up(lead: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        lead(kubeconfig(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        with pytest.raises(ClusterError, match=r"^the cluster: no answer within 0\.3 s; is the cluster up"):
            Cluster(seconds=SECONDS)


def test_a_server_that_falls_silent_is_given_up_and_asked_anew(server: Kubernetes, silence: threading.Event) -> None:
    cluster = Cluster(seconds=SECONDS)
    path = f"{PODS}/p"

    def hang(_: dict[str, str]) -> bytes:
        silence.wait(60)
        return b"{}"

    server.others[path] = server.others[PODS] = hang
    with pytest.raises(ClusterError, match=r"^Pod p: no answer within 0\.3 s"):
        cluster.get("v1", "Pod", "p", "models")
    with pytest.raises(ClusterError, match=r"^Pod objects: no answer within 0\.3 s"):
        cluster.objects("v1", "Pod", "models")
    server.others.clear()
    assert cluster.get("v1", "Pod", "p", "models") is None


def test_a_pod_and_its_log_have_their_own_time(server: Kubernetes, silence: threading.Event) -> None:
    cluster = Cluster()

    def hang(_: dict[str, str]) -> bytes:
        silence.wait(60)
        return b""

    server.others[f"{PODS}/p:8080/proxy/metrics"] = server.others[f"{PODS}/p/log"] = hang
    with pytest.raises(ClusterError, match=r"^pod p: no answer within 0\.3 s"):
        cluster.text_of_pod("p", "models", 8080, "metrics", seconds=SECONDS)
    with pytest.raises(ClusterError, match=r"^the log of pod p: no answer within 0\.2 s"):
        list(cluster.log_lines("p", "models", _request_timeout=(1.0, 0.2)))
    with pytest.raises(ClusterError, match=r"^the log of pod p: no answer within 0\.3 s"):
        list(Cluster(seconds=SECONDS).log_lines("p", "models"))


def test_a_log_that_is_followed_may_be_silent(server: Kubernetes, silence: threading.Event) -> None:
    def speak_late(_: dict[str, str]) -> bytes:
        silence.wait(4 * SECONDS)
        return b"at last\n"

    server.others[f"{PODS}/p/log"] = speak_late
    assert list(Cluster(seconds=SECONDS).log_lines("p", "models", follow=True)) == ["at last"]


NO_KUBECONFIGS = {
    "no YAML": "a: [",
    "a text": "hello",
    "a list": "- a",
    "empty": "",
    "no clusters": "apiVersion: v1\nkind: Config\ncurrent-context: test\n",
}


@pytest.mark.parametrize("text", NO_KUBECONFIGS.values(), ids=NO_KUBECONFIGS)
def test_a_file_that_is_no_kubeconfig_is_told_in_a_line(text: str, lead: Any) -> None:
    lead(text)
    with pytest.raises(ClusterError, match=r"^no usable kubeconfig \(.*\); set KUBECONFIG, or name a context of it$"):
        Cluster()


def test_a_folder_in_a_kubeconfigs_place_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path))
    with pytest.raises(ClusterError, match=r"^no usable kubeconfig \(.*Is a directory"):
        Cluster()


def test_a_context_that_is_not_there_is_told_in_a_line(server: Kubernetes) -> None:
    with pytest.raises(ClusterError, match=r"^no usable kubeconfig \(.*other.*\); set KUBECONFIG, or name a context"):
        Cluster("other")


@pytest.mark.parametrize("address", ["localhost:99", "http://127.0.0.1:port"])
def test_an_address_that_is_none_is_told_in_a_line(address: str, lead: Any) -> None:
    lead(kubeconfig(address))
    with pytest.raises(ClusterError, match=f"^{address} is no address of a Kubernetes API server"):
        Cluster()


def test_something_else_that_answers_there_is_told_in_a_line(server: Kubernetes) -> None:
    server.others["/version"] = server.others["/apis"] = lambda _: b"<html>Sign in</html>"
    with pytest.raises(ClusterError, match="or something else answers there; is KUBECONFIG the cluster's own"):
        Cluster()
