# SPDX-License-Identifier: Apache-2.0
"""A volume for the object store where no storage class gives one: a folder of the node, which then is this machine."""

import json
import tempfile
from pathlib import Path

from tests.e2e.kubernetes import kubectl

_NAMESPACE, _CLAIM = "portside-system", "object-store"
_VOLUME = f"{_NAMESPACE}-{_CLAIM}"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def object_store_volume() -> None:
    """See to it that the object store's claim, which may come later, gets a volume; what it holds is kept."""
    if _has_default_class():
        return
    found = json.loads(kubectl("get", "persistentvolumes", "--output", "json"))["items"]
    phases = {volume["metadata"]["name"]: volume["status"].get("phase") for volume in found}
    if phases.get(_VOLUME) in ("Available", "Bound"):
        return
    # A volume whose claim is gone is bound to that one for ever, and a new claim of the same name does not get it.
    kubectl("delete", "persistentvolume", _VOLUME, "--ignore-not-found")
    folder = Path(tempfile.gettempdir()) / _VOLUME
    folder.mkdir(exist_ok=True)
    # In a folder of the node Kubernetes does not hand the files to the pod's group.
    folder.chmod(0o777)
    kubectl("create", "--filename", "-", stdin=json.dumps(_volume(folder)))


def _volume(folder: Path) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _VOLUME},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "5Gi"},
            "claimRef": {"namespace": _NAMESPACE, "name": _CLAIM},
            "hostPath": {"path": str(folder), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }


def _has_default_class() -> bool:
    classes = json.loads(kubectl("get", "storageclasses", "--output", "json"))["items"]
    return any(each["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true" for each in classes)
