# SPDX-License-Identifier: Apache-2.0
"""Three real use cases, each a module of pure functions: load, split, build, fit, evaluate, and ``train`` over them.

A use case is imported when it is asked for, so that one does not bring in what only another needs.
"""

from importlib import import_module
from typing import Final, cast

from pipelines.use_cases.use_case import Progress, TrainedModel, UseCase

__all__ = ["NAMES", "Progress", "TrainedModel", "UseCase", "use_case"]

#: The use cases, each the name of its module here and of its processing in ``predictors``.
NAMES: Final = ("maintenance", "recommender", "spam")


def use_case(name: str) -> UseCase:
    """Return the use case of that name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in NAMES:
        raise ValueError(f'there is no use case "{name}"; there are {", ".join(NAMES)}')
    return cast(UseCase, import_module(f"{__name__}.{name}"))
