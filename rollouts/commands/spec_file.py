# SPDX-License-Identifier: Apache-2.0
"""The file of ``portside rollout start --file``: a whole ModelRollout, or its spec alone."""

from pathlib import Path
from typing import Any

from rollouts.errors import SpecError
from rollouts.spec import KIND


def read_spec(path: Path, service: str) -> dict[str, Any]:
    """Return the spec in a file.

    Args:
        path: The file, YAML or JSON.
        service: The InferenceService that the command line names.

    Raises:
        SpecError: It holds no spec, or one of another service.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise SpecError(f"{path} is not YAML: {' '.join(str(err).split())}") from err
    if not isinstance(document, dict):
        raise SpecError(f"{path} holds no spec of a rollout")
    kind = document.get("kind", KIND)
    if kind != KIND:
        raise SpecError(f"{path} holds a {kind}, not a {KIND}")
    spec = document.get("spec") if "kind" in document else document
    if not isinstance(spec, dict):
        raise SpecError(f"{path} holds a {KIND} without a spec")
    gates = spec.get("gates") or {}
    if not isinstance(gates, dict) or not all(isinstance(gate, dict | None) for gate in gates.values()):
        raise SpecError(f"{path} has gates without fields: each is such as errors: {{maxIncrease: 0.005}}")
    named = spec.get("inferenceService", service)
    if named != service:
        raise SpecError(f"{path} is a rollout of {named}, not of {service}")
    return spec
