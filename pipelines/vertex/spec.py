# SPDX-License-Identifier: Apache-2.0
"""A compiled pipeline as Vertex AI takes it: one document, with parameters of the types that it declares."""

import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pipelines.errors import PipelineError

#: Numbers travel as float64, so that no integer beyond this is sure to arrive as it is.
_EXACT: Final = 2**53
_SCHEMA: Final = "2.1.0"


def load_spec(path: Path) -> dict[str, Any]:
    """Return the pipeline spec in a compiled file.

    Raises:
        PipelineError: The file cannot be read, or is no pipeline for Vertex AI.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except OSError as err:
        raise PipelineError(
            f"{path}: cannot be read ({err.strerror}); compile it with portside pipeline compile"
        ) from err
    except yaml.YAMLError as err:
        raise PipelineError(f"{path}: not YAML; compile it with portside pipeline compile") from err
    if len(documents) != 1:
        raise PipelineError(
            f"{path}: it has {len(documents)} documents, and Vertex AI takes one: the second is for Kubernetes; "
            "compile the pipeline for Vertex AI"
        )
    spec = documents[0]
    if not isinstance(spec, dict) or not {"pipelineInfo", "root", "schemaVersion"} <= spec.keys():
        raise PipelineError(f"{path}: not a compiled pipeline; compile it with portside pipeline compile")
    if spec["schemaVersion"] != _SCHEMA:
        raise PipelineError(
            f"{path}: its schema version is {spec['schemaVersion']}, and not {_SCHEMA}; compile it again"
        )
    return spec


def without_cache(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec all of whose tasks run anew; those that are never cached anyway stay so in every other spec."""
    changed = copy.deepcopy(dict(spec))
    for part in (changed["root"], *changed.get("components", {}).values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {"enableCache": False}
    return changed


def check_parameters(spec: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values that a run gives a pipeline's parameters.

    Args:
        spec: The pipeline.
        parameters: The values; None stands for a default.

    Raises:
        PipelineError: A parameter is missing or unknown, or has a value of another type.
    """
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    for name, value in given.items():
        if name not in declared:
            raise PipelineError(f'the pipeline has no parameter "{name}"; there are {", ".join(sorted(declared))}')
        _check_value(name, declared[name]["parameterType"], value)
    for name, declaration in declared.items():
        optional = declaration.get("isOptional") or "defaultValue" in declaration
        if name not in given and not optional:
            raise PipelineError(f'the pipeline\'s parameter "{name}" has no default: give it a value')
    return given


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


_TYPES: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "STRING": ("a text", lambda value: type(value) is str),
    "NUMBER_INTEGER": ("an integer", lambda value: type(value) is int and abs(value) <= _EXACT),
    "NUMBER_DOUBLE": ("a number", _is_number),
    "BOOLEAN": ("true or false", lambda value: type(value) is bool),
    "LIST": ("a list", lambda value: isinstance(value, list)),
    "STRUCT": ("an object", lambda value: isinstance(value, dict)),
}


def _check_value(name: str, kind: str, value: Any) -> None:
    if kind not in _TYPES:
        raise PipelineError(f'the pipeline\'s parameter "{name}" is {kind}, which a run cannot give')
    wanted, fits = _TYPES[kind]
    if not fits(value):
        raise PipelineError(f'the pipeline\'s parameter "{name}" takes {wanted}, not {value!r}')
