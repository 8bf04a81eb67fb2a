# SPDX-License-Identifier: Apache-2.0
"""Pages of one file each, which need nothing else, for a browser, Kubeflow's UI, or paper."""

from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent


def page_from(folder: Path, **values: Any) -> str:
    """Return a page as HTML; the same values give the same text.

    Args:
        folder: Where its template ``page.html.jinja`` stands, with what that includes. It may include ``base.css`` and
            ``figure.html.jinja`` too, which are this package's.
        values: What the template shows. Text is escaped.

    Raises:
        jinja2.UndefinedError: The template shows something that is not among the values.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.jinja").render(values)
