# SPDX-License-Identifier: Apache-2.0
"""KServe's own ConfigMap: entries of the JSON texts in it, merged with what is there."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.api import Cluster, Object
from cluster.errors import ClusterError

CONFIG_MAP: Final = "inferenceservice-config"
CONTROLLER: Final = "kserve-controller-manager"

#: On the ConfigMap while its controller has still to be restarted, so that a restart that was missed is made up for.
_RESTART = "portside.dev/restart"
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

Settings = dict[str, dict[str, Any]]


def read_settings(configs: Path, place: str) -> Settings:
    """Return the settings of a place: those of the base, with the overlay's on top.

    Args:
        configs: The folder ``manifests/configs``.
        place: Such as ``kind``.

    Raises:
        ClusterError: A file cannot be read, or is not a mapping of mappings.
    """
    settings: Settings = {}
    for path in (configs / "base" / "kserve-settings.yaml", configs / "overlays" / place / "kserve-settings.yaml"):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as err:
            raise ClusterError(f"{path} cannot be read: {err.strerror}") from err
        except yaml.YAMLError as err:
            raise ClusterError(f"{path} is not YAML: {' '.join(str(err).split())}") from err
        if not isinstance(told, dict) or not all(isinstance(entries, dict) for entries in told.values()):
            raise ClusterError(f"{path} must map keys of {CONFIG_MAP} to entries")
        for key, entries in told.items():
            settings[key] = {**settings.get(key, {}), **entries}
    return settings


def merge(data: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the keys of a ConfigMap whose texts the settings change, with their new texts.

    Args:
        data: The ConfigMap's data.
        settings: What its entries must be; entries that are not named stay.

    Raises:
        ClusterError: A key's text is not a JSON object.
    """
    changed = {}
    for key, entries in settings.items():
        try:
            present = json.loads(data.get(key, "{}"))
            merged = {**present, **entries}
        except (ValueError, TypeError) as err:
            raise ClusterError(f"ConfigMap {CONFIG_MAP}: {key} is not a JSON object; mend it first") from err
        if merged != present:
            changed[key] = json.dumps(merged, indent=2)
    return changed


def with_settings(document: Object, settings: Settings) -> Object:
    """Return a document of KServe's release with the settings in it, if it is that ConfigMap."""
    if document["kind"] != "ConfigMap" or document["metadata"]["name"] != CONFIG_MAP:
        return document
    return {**document, "data": {**document["data"], **merge(document["data"], settings)}}


def apply_settings(cluster: Cluster, namespace: str, settings: Settings) -> list[str]:
    """Write the settings where they differ, and restart KServe's controller then; return the keys that changed.

    The controller reads its ingress settings when it starts. The restart is begun here, not waited for.

    Args:
        cluster: Where KServe runs.
        namespace: Its namespace.
        settings: What must be set.

    Raises:
        ClusterError: The ConfigMap is not there, or cannot be changed.
    """
    config_map = cluster.get("v1", "ConfigMap", CONFIG_MAP, namespace)
    if config_map is None:
        raise ClusterError(f"namespace {namespace} has no ConfigMap {CONFIG_MAP}: KServe's installation is not whole")
    named = {"apiVersion": "v1", "kind": "ConfigMap"}
    changed = merge(config_map.get("data", {}), settings)
    missed = _RESTART in config_map["metadata"].get("annotations", {})
    if not changed and not missed:
        return []
    metadata = {"name": CONFIG_MAP, "namespace": namespace}
    cluster.patch({**named, "metadata": {**metadata, "annotations": {_RESTART: "due"}}, "data": changed})
    _restart(cluster, namespace)
    cluster.patch({**named, "metadata": {**metadata, "annotations": {_RESTART: None}}})
    return sorted(changed) or ["restart made up for"]


def _restart(cluster: Cluster, namespace: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    template = {"metadata": {"annotations": {_RESTARTED_AT: now}}}
    metadata = {"name": CONTROLLER, "namespace": namespace}
    cluster.patch({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}})
