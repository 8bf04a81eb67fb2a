# SPDX-License-Identifier: Apache-2.0
"""Three real use cases, each a module of pure functions with its ``PLAN``, and the way to modules of one's own.

A use case is imported when it is asked for, so that one does not bring in what only another needs.
"""

import re
from importlib import import_module
from typing import Any, Final, Literal, cast, overload

from pipelines.errors import PipelineError
from pipelines.use_cases.use_case import (
    BuiltInUseCase,
    Parameters,
    Parts,
    Plan,
    Progress,
    TrainedModel,
    UseCase,
    missing_in,
)

__all__ = [
    "NAMES",
    "BuiltInUseCase",
    "Parameters",
    "Parts",
    "Plan",
    "Progress",
    "TrainedModel",
    "UseCase",
    "imports_of",
    "use_case",
]

#: The use cases that come with Portside, each the name of its module here and of its processing in ``predictors``.
NAMES: Final = ("maintenance", "recommender", "spam")

_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@overload
def use_case(name: Literal["maintenance", "recommender", "spam"]) -> BuiltInUseCase: ...


@overload
def use_case(name: str) -> UseCase: ...


def use_case(name: str) -> UseCase:
    """Return the use case of that name.

    Args:
        name: One of ``NAMES``, or an importable module of one's own, such as ``churn`` or ``acme.churn``.

    Raises:
        PipelineError: There is none of that name, or it lacks something of ``UseCase``; errors that a module raises
            while it is imported are its own and are not caught.
    """
    if name in NAMES:
        return cast(UseCase, import_module(f"{__name__}.{name}"))
    module = _import(name)
    missing = missing_in(module)
    if missing:
        raise PipelineError(
            f"the module {name} is not a use case, it lacks {', '.join(missing)}; "
            "`portside pipeline new NAME` writes one that has all"
        )
    return cast(UseCase, module)


def imports_of(name: str) -> tuple[str, ...]:
    """Return what a use case's model may import besides the platform's list: the package of a module of one's own.

    Args:
        name: As ``use_case`` takes it.
    """
    return () if name in NAMES else (name.partition(".")[0],)


def _import(name: str) -> Any:
    unknown = PipelineError(
        f'there is no use case "{name}"; there are {", ".join(NAMES)}, and any module of your own that Python finds '
        "(set PYTHONPATH to the folder that it stands in)"
    )
    if not _MODULE.fullmatch(name):
        raise unknown
    try:
        return import_module(name)
    except ModuleNotFoundError as err:
        if err.name is not None and (name == err.name or name.startswith(f"{err.name}.")):
            raise unknown from err
        raise PipelineError(f"the module {name} needs the package {err.name}, which is not installed") from err
