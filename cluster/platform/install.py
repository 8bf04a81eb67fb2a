# SPDX-License-Identifier: Apache-2.0
"""Installing the platform: controllers, configs, rollouts, runtimes and services, each waited for before the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.api import FIELD_MANAGER, Cluster, Object
from cluster.errors import ClusterError
from cluster.platform import controllers, kserve_settings
from cluster.platform.applying import apply_all
from cluster.platform.controller_release import Releases
from cluster.platform.controllers import CONTROLLERS, Controller
from cluster.platform.documents import ROLLOUTS_IMAGE, SERVING_IMAGE, render, title, with_image
from cluster.platform.waiting import Deadline, wait_ready

#: What else than workloads tells by its status that a group works.
_WAITED_FOR = {
    *("Namespace", "GatewayClass", "Gateway", "Deployment", "StatefulSet", "DaemonSet", "PersistentVolumeClaim"),
    *("APIService", "Certificate", "InferenceService"),
}
_NAME_WIDTH = 15
#: Portside's own controller stands among the others' versions, and comes after the namespaces that it works in.
_ROLLOUTS = "controllers/rollouts"
#: Who owns the fields of what comes from a controller's release. Portside adds fields to one of those objects, and
#: applying these few under the same name would take the rest away.
_RELEASE_MANAGER = "portside-controllers"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an installation is to do.

    Attributes:
        manifests: The folder ``manifests``.
        place: One of its overlays: ``kind``, ``staging``, ``production``.
        image: The serving image to run instead of the overlay's; None leaves it.
        rollouts_image: The same for the image of the rollouts' controller.
        controllers: Whether to see to the controllers.
        rollouts: Whether to apply the controller of rollouts, and wait for it.
        services: Whether to apply the services, and wait until they answer.
        timeout: How long each group is waited for, in seconds.
    """

    manifests: Path
    place: str
    image: str | None
    rollouts_image: str | None
    controllers: bool
    rollouts: bool
    services: bool
    timeout: float


class Installation:
    """One installation on one cluster; every step may be done again and changes nothing the second time.

    Args:
        cluster: The cluster.
        plan: What to do.
        releases: The controllers' versions and files.
        say: Told one line for each group of objects.
    """

    def __init__(self, cluster: Cluster, plan: Plan, releases: Releases, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._plan = plan
        self._releases = releases
        self._say = say
        self._settings = kserve_settings.read_settings(plan.manifests / "configs", plan.place)

    def run(self) -> None:
        """Install it all.

        Raises:
            ClusterError: A controller is there in a version that is not supported, or the cluster refuses something.
            TimedOutError: Something does not get ready in time.
        """
        # All is rendered first: a manifest that cannot be rendered must not leave half a platform behind.
        configs, runtimes = self._render("configs"), self._render("runtimes")
        rollouts = self._render(_ROLLOUTS) if self._plan.rollouts else []
        services = self._services()
        if self._plan.controllers:
            self._see_to_controllers()
        self._say("configs")
        self._apply(self._place, configs)
        self._set_up_kserve()
        self._say("rollouts")
        if rollouts:
            self._apply(self._place, rollouts)
        else:
            self._line("none", "left out, as asked; new versions are brought in all at once, by `portside deploy`")
        self._say("runtimes")
        self._apply(self._place, runtimes)
        self._say("services")
        for name, documents in services:
            self._apply(name, documents)
        if not services:
            self._line("none", "left out, as asked; `portside deploy` serves a model")

    def _see_to_controllers(self) -> None:
        """Install the controllers that are missing; all are looked at and fetched before any is changed."""
        found = {controller.key: self._look_at(controller) for controller in CONTROLLERS}
        kserve = found[controllers.KSERVE.key]
        self._say("controllers")
        missing: dict[str, list[Object]] = {}
        for controller in CONTROLLERS:
            there = found[controller.key]
            if there is not None and not there.begun:
                supported = f", supported are {self._releases.versions.supported(controller.key)}"
                version = f"{there.version}{supported}" if there.version else "whatever its version"
                self._line(controller.name, f"left alone ({version})")
            elif controller is controllers.CERT_MANAGER and kserve is not None and not kserve.begun:
                self._line(controller.name, "not needed (KServe has its certificates)")
            else:
                missing[controller.key] = self._releases.documents(controller, self._plan.place)
        for controller in CONTROLLERS:
            if controller.key in missing:
                self._install(controller, missing[controller.key])

    def _look_at(self, controller: Controller) -> controllers.Found | None:
        found = controller.find(self._cluster)
        versions = self._releases.versions
        if found is None or found.version is None or versions.supports(controller.key, found.version):
            return found
        raise ClusterError(
            f"{controller.name} {found.version} is on this cluster, and Portside supports "
            f"{versions.supported(controller.key)}; bring it to a supported version first; nothing was changed"
        )

    def _install(self, controller: Controller, release: Sequence[Object]) -> None:
        documents = [kserve_settings.with_settings(document, self._settings) for document in release]
        version = self._releases.versions.installed(controller.key)
        self._apply(controller.name, documents, version=version)
        for workload in self._releases.workloads(documents):
            self._cluster.patch({**workload, "metadata": {**workload["metadata"], **_installation_complete()}})

    def _set_up_kserve(self) -> None:
        found = controllers.KSERVE.find(self._cluster)
        if found is None or found.namespace is None:
            raise ClusterError("KServe is not on this cluster; run `portside install` without --skip-controllers")
        changed = kserve_settings.apply_settings(self._cluster, found.namespace, self._settings)
        metadata = {"name": kserve_settings.CONTROLLER, "namespace": found.namespace}
        wait_ready(self._cluster, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}, self._deadline)
        words = f"changed ({', '.join(changed)}), its controller restarted" if changed else "unchanged"
        self._line("KServe settings", words)

    def _apply(self, name: str, documents: Sequence[Object], *, version: str | None = None) -> None:
        """Apply documents and wait for them; those of a controller's release come with its version."""
        deadline = self._deadline
        manager = FIELD_MANAGER if version is None else _RELEASE_MANAGER
        outcome = apply_all(self._cluster, documents, deadline, manager=manager)
        waited = [document for document in documents if document["kind"] in _WAITED_FOR]
        for document in waited:
            wait_ready(self._cluster, document, deadline)
        ready = [title(document) for document in waited if document["kind"] in {"Gateway", "InferenceService"}]
        words = str(outcome) if version is None else f"{version} {outcome}"
        self._line(name, "; ".join([words, *(f"{one} is ready" for one in ready)]))

    def _render(self, group: str) -> list[Object]:
        documents = render(self._plan.manifests / group / "overlays" / self._plan.place)
        for name, image in ((SERVING_IMAGE, self._plan.image), (ROLLOUTS_IMAGE, self._plan.rollouts_image)):
            documents = [with_image(document, name, image) for document in documents] if image else documents
        return documents

    def _services(self) -> list[tuple[str, list[Object]]]:
        if not self._plan.services:
            return []
        overlays = sorted((self._plan.manifests / "services").glob(f"*/overlays/{self._plan.place}"))
        if not overlays:
            raise ClusterError(f"{self._plan.manifests} has no services for the place {self._plan.place}")
        names = [overlay.parents[1].name for overlay in overlays]
        return [(name, self._render(f"services/{name}")) for name in names]

    @property
    def _place(self) -> str:
        return f"place {self._plan.place}"

    @property
    def _deadline(self) -> Deadline:
        return Deadline(self._plan.timeout)

    def _line(self, name: str, words: str) -> None:
        self._say(f"  {name:<{_NAME_WIDTH}}  {words}")


def _installation_complete() -> dict[str, dict[str, str]]:
    return {"annotations": {controllers.INSTALLATION: controllers.COMPLETE}}
