# SPDX-License-Identifier: Apache-2.0
"""Writing a use case of one's own from templates, never over a file that is there."""

import keyword
import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pipelines.errors import PipelineError
from pipelines.use_cases import NAMES

_TEMPLATES: Final = Path(__file__).with_name("templates")
#: Of each template: the name of the file that it becomes.
_FILES: Final = {
    "module.py.jinja": "{name}.py",
    "test_module.py.jinja": "test_{name}.py",
    "Dockerfile.jinja": "Dockerfile",
    "README.md.jinja": "README.md",
}
_NAME: Final = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
#: A Kubernetes name with "-predictor" behind it is still a label of DNS.
_LONGEST: Final = 53


def write_module(name: str, out: Path) -> list[Path]:
    """Write the files of a new use case and return their paths.

    Args:
        name: Of the module; the model's name is the same, with hyphens for underscores.
        out: The folder to write to, made when it is missing.

    Raises:
        PipelineError: It may not be called so, a file is there already, or the folder cannot be written to.
    """
    _check_name(name, out)
    files = {out / file.format(name=name): template for template, file in _FILES.items()}
    taken = next((path for path in files if path.exists()), None)
    if taken is not None:
        raise PipelineError(f"{taken} is there already, and is left as it is: choose another name, or another --out")
    texts = {path: _render(template, name) for path, template in files.items()}
    made = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except OSError as err:
        # A half of it would be in the way of the next attempt.
        for path in made:
            path.unlink()
        raise PipelineError(f"{err.filename or out}: cannot be written: {err.strerror}") from err
    return list(files)


def _render(template: str, name: str) -> str:
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 (it writes code, not HTML)
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(
        name=name,
        model=name.replace("_", "-"),
        title=name.replace("_", " ").capitalize(),
        version=version("portside"),
    )


def _check_name(name: str, out: Path) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise PipelineError(
            f'"{name}" cannot be the name of a module and of its model: take up to {_LONGEST} small letters, digits '
            "and _, a letter first, no _ last"
        )
    if name == "conftest":
        raise PipelineError('"conftest" is a file of pytest\'s: choose another name')
    if keyword.iskeyword(name):
        raise PipelineError(f'"{name}" is a word of Python\'s: choose another name')
    if name in NAMES:
        raise PipelineError(f'"{name}" is one of the use cases that come with Portside: choose another name')
    elsewhere = _found_elsewhere(name, out)
    if elsewhere is not None:
        raise PipelineError(f'"{name}" would hide the module of that name in {elsewhere}: choose another name')


def _found_elsewhere(name: str, out: Path) -> str | None:
    """Return where Python finds a module of that name now; None for nowhere, or where it is to be written."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.origin is not None and not spec.has_location:
        return "Python itself"
    # A folder without code is a package to Python, as the one that is written to is from the folder above it.
    places = [spec.origin] if spec.origin is not None else list(spec.submodule_search_locations or ())
    ours = {(out / f"{name}.py").resolve(), out.resolve()}
    return next((place for place in places if Path(place).resolve() not in ours), None)
