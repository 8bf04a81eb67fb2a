# SPDX-License-Identifier: Apache-2.0
"""The documents of a manifest: parsed, rendered by kustomize, and brought into the order in which they are applied."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.api import Object
from cluster.errors import ClusterError

SERVING_IMAGE: Final = "portside/predictor"
ROLLOUTS_IMAGE: Final = "portside/rollouts"

_CRD = "CustomResourceDefinition"


def parse(text: str | bytes, source: str) -> list[Object]:
    """Return the documents of a YAML text.

    Args:
        text: The text; empty documents are left out.
        source: Where it comes from, for what is said when it is not YAML.

    Raises:
        ClusterError: It is not YAML, or a document of it is not a Kubernetes object.
    """
    try:
        found = [document for document in yaml.load_all(text, Loader=_loader()) if document]
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise ClusterError(f"{source} is not YAML: {' '.join(str(err).split())}") from err
    for document in found:
        if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= document.keys():
            raise ClusterError(f"{source} holds a document that is not a Kubernetes object")
    return found


def render(folder: Path) -> list[Object]:
    """Return the documents of a kustomization.

    Raises:
        ClusterError: kubectl is not there, or refuses the kustomization; the text says why.
    """
    try:
        done = subprocess.run(  # noqa: S603 (the folder is the project's own)
            ["kubectl", "kustomize", str(folder)],  # noqa: S607 (the user's own kubectl)
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as err:
        raise ClusterError("kubectl is not on PATH, and it renders the manifests: install it first") from err
    if done.returncode != 0:
        raise ClusterError(f"{folder} cannot be rendered: {done.stderr.strip()}")
    return parse(done.stdout, str(folder))


def in_order(documents: Iterable[Object]) -> list[Object]:
    """Return documents with definitions first, then namespaces, then the rest as they came."""
    ranks = {_CRD: 0, "Namespace": 1}
    return sorted(documents, key=lambda document: ranks.get(document["kind"], 2))


def is_definition(document: Mapping[str, Any]) -> bool:
    """Return whether a document defines a kind."""
    return bool(document["kind"] == _CRD)


def title(document: Mapping[str, Any]) -> str:
    """Return an object's kind and name as they are shown, such as ``Gateway portside-system/portside``."""
    metadata = document["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{document['kind']} {place}{metadata['name']}"


def images(document: Any) -> Iterator[str]:
    """Yield the container images in a document, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from images(value)
    elif isinstance(document, list):
        for item in document:
            yield from images(item)


def with_image(document: Any, name: str, image: str) -> Any:
    """Return a document in which every container of one of our images runs another image instead.

    Args:
        document: The document.
        name: The image's name, whatever its registry, tag or digest.
        image: What runs instead.
    """
    if isinstance(document, dict):
        return {
            key: image if key == "image" and _is_named(value, name) else with_image(value, name, image)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [with_image(item, name, image) for item in document]
    return document


def _is_named(image: Any, name: str) -> bool:
    if not isinstance(image, str):
        return False
    tagged = image.partition("@")[0]
    # A colon after the last slash parts the tag; one before it is a registry's port.
    repository = tagged.rpartition(":")[0] if ":" in tagged.rpartition("/")[2] else tagged
    return repository == name or repository.endswith(f"/{name}")


def _loader() -> Any:
    # libyaml's is ten times as fast, and KServe's release holds seven megabytes.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
