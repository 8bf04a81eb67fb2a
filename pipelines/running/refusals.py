# SPDX-License-Identifier: Apache-2.0
"""What a step refused, kept in the registry for the exit step: Kubeflow tells that one only that something failed."""

import json
from typing import TypedDict


class Refusal(TypedDict):
    """Which step refused to go on, and why, in one sentence."""

    step: str
    sentence: str


def record_refusal(root: str, use_case: str, run: str, step: str, sentence: str) -> None:
    """Keep a refusal; where even that is impossible, the step's own log has it.

    Args:
        root: The registry's root.
        use_case: What the run is of.
        run: The run's name.
        step: The step that refuses.
        sentence: Why.
    """
    from pipelines.registry import RegistryError, open_registry

    refusal = Refusal(step=step, sentence=sentence)
    try:
        open_registry(root).records.write(_path(use_case, run), json.dumps(refusal).encode())
    except RegistryError:
        return


def read_refusal(root: str, use_case: str, run: str) -> Refusal | None:
    """Return what a step of the run refused; None when none did.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    from pipelines.registry import open_registry

    content = open_registry(root).records.read(_path(use_case, run))
    if content is None:
        return None
    refusal: Refusal = json.loads(content)
    return refusal


def _path(use_case: str, run: str) -> str:
    return f".runs/{use_case}/{run}/refused.json"
