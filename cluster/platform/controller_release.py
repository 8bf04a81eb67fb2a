# SPDX-License-Identifier: Apache-2.0
"""What a controller's release holds, as it is applied: its files' documents, less what is not wanted."""

from collections.abc import Sequence
from copy import deepcopy

from cluster.api import Object
from cluster.platform.controllers import BEGUN, CONTROLLERS, INSTALLATION, METRICS_SERVER, Controller
from cluster.platform.documents import parse
from cluster.platform.downloads import Downloads
from cluster.platform.versions import Download, Versions


class Releases:
    """The controllers' releases.

    Args:
        versions: Which ones.
        downloads: Where their files are taken from.
    """

    def __init__(self, versions: Versions, downloads: Downloads) -> None:
        self.versions = versions
        self._downloads = downloads

    def documents(self, controller: Controller, place: str) -> list[Object]:
        """Return what is applied to install a controller.

        Args:
            controller: The controller.
            place: Where; the kubelets of ``kind`` have certificates that nobody signed.

        Raises:
            ClusterError: A file cannot be had, is not the one pinned, or is not YAML.
        """
        found: list[Object] = []
        if controller.namespace:
            found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": controller.namespace}})
        for file in controller.files:
            download = self.versions.download(controller.key, file)
            found += filter(controller.wanted, parse(self._downloads.read(download), download.name))
        # KServe's definitions stand in both of its files.
        first = {_identity(document): document for document in reversed(found)}
        kept = [document for document in found if first[_identity(document)] is document]
        prepared = [_marked(document) for document in kept]
        if controller is METRICS_SERVER and place == "kind":
            prepared = [_trusting_kubelets(document) for document in prepared]
        return prepared

    def workloads(self, documents: Sequence[Object]) -> list[Object]:
        """Return, of each Deployment among documents, as much as names it."""
        return [
            {
                **{key: document[key] for key in ("apiVersion", "kind")},
                "metadata": {key: document["metadata"][key] for key in ("name", "namespace")},
            }
            for document in documents
            if document["kind"] == "Deployment"
        ]


def all_downloads(versions: Versions) -> list[Download]:
    """Return every file that an installation may need, in the order of installation."""
    return [versions.download(controller.key, file) for controller in CONTROLLERS for file in controller.files]


def _identity(document: Object) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def _marked(document: Object) -> Object:
    """Mark a Deployment as being installed: the mark changes when all that belongs to it is there."""
    if document["kind"] != "Deployment":
        return document
    marked = deepcopy(document)
    marked["metadata"].setdefault("annotations", {})[INSTALLATION] = BEGUN
    return marked


def _trusting_kubelets(document: Object) -> Object:
    if document["kind"] != "Deployment":
        return document
    trusting = deepcopy(document)
    for container in trusting["spec"]["template"]["spec"]["containers"]:
        container.setdefault("args", []).append("--kubelet-insecure-tls")
    return trusting
