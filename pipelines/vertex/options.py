# SPDX-License-Identifier: Apache-2.0
"""How a version is deployed on Vertex AI: the words that a user gives a pipeline as ``NAME=VALUE``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipelines.deploying.option_values import Reader, percent, read_options, replicas, seconds, truth
from pipelines.errors import StepError
from pipelines.vertex.endpoint import Machines
from pipelines.vertex.names import check_project, check_region, check_service_account

_IMAGE: Final = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)/[a-z0-9./_:-]+(@sha256:[0-9a-f]{64})?")
_NEEDED: Final = ("project", "region", "image")


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a user says about a deployment.

    Attributes:
        project: The project's id.
        region: Such as ``europe-west4``.
        image: The serving image, in Artifact Registry.
        endpoint: The endpoint's name; None takes the model's.
        traffic: The new version's share in percent.
        allow_pickle: Whether a pickled model may be loaded.
        machines: What it is deployed on.
    """

    project: str
    region: str
    image: str
    endpoint: str | None = None
    traffic: int = 100
    allow_pickle: bool = False
    machines: Machines = field(default_factory=Machines)

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "DeployOptions":
        """Return the options in the words of a user; a hyphen in a name is as good as an underscore.

        Raises:
            StepError: An option is missing or unknown, or its value is none.
            PipelineError: The project, the region or the service account is none.
        """
        chosen = read_options(given, _READERS, " on Vertex AI")
        missing = [name for name in _NEEDED if name not in chosen]
        if missing:
            examples = {
                "project": "project=PROJECT",
                "region": "region=REGION",
                "image": "image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/portside@sha256:DIGEST",
            }
            raise StepError(
                f"a deployment on Vertex AI needs {' and '.join(f'--option {examples[name]}' for name in missing)}"
            )
        machines = {name: chosen.pop(word) for word, name in _MACHINES.items() if word in chosen}
        return cls(machines=Machines(**machines), **chosen)


def _image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError(
            "an image in Artifact Registry, REGION-docker.pkg.dev/PROJECT/REPOSITORY/portside@sha256:DIGEST"
        )
    return text


def _machine_type(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", text):
        raise ValueError("a machine type of Compute Engine, such as n1-standard-2")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,62}", text):
        raise ValueError("a name that begins with a letter")
    return text


_READERS: Final[Mapping[str, Reader]] = {
    "project": check_project,
    "region": check_region,
    "image": _image,
    "endpoint": _name,
    "traffic": percent,
    "machine_type": _machine_type,
    "replicas": replicas,
    "service_account": check_service_account,
    "allow_pickle": truth,
    "wait": seconds,
}
_MACHINES: Final = {
    "machine_type": "machine_type",
    "replicas": "replicas",
    "service_account": "service_account",
    "wait": "seconds",
}
