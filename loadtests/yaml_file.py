# SPDX-License-Identifier: Apache-2.0
"""YAML files as they are read here: nothing that is written in one is lost without a word."""

from collections.abc import Hashable
from pathlib import Path

import yaml

from loadtests.errors import LoadTestError


def read_yaml(path: Path) -> object:
    """Return what a file of YAML holds.

    Raises:
        OSError: It cannot be read.
        LoadTestError: It is not YAML, or writes a key twice; the sentence names the file and the line.
    """
    content = path.read_bytes()
    try:
        return yaml.load(content, Loader=_OnceLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LoadTestError(f"{path}: it is not YAML ({_place(err)}); mend it there") from err


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML's own would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is written twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _place(err: yaml.YAMLError | UnicodeDecodeError) -> str:
    if not isinstance(err, yaml.MarkedYAMLError):
        return "it holds characters that are no text"
    mark = err.problem_mark
    where = "" if mark is None else f" in line {mark.line + 1}"
    return f"{err.problem}{where}"
