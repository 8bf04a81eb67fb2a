# SPDX-License-Identifier: Apache-2.0
"""The controller's settings: one frozen model, from ``ROLLOUTS_*`` variables."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cluster.errors import ClusterError
from cluster.names import SYSTEM_NAMESPACE

PREFIX: Final = "ROLLOUTS_"
#: What Kubernetes sets in pods beside a Service of that name; ``ROLLOUTS_PORT`` among them is told by its value.
_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)")


class SettingsError(ClusterError):
    """An unknown variable or a value that cannot be used, named and never shown."""


def _split(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


class Settings(BaseModel):
    """How the controller works.

    Attributes:
        namespaces: Whose ModelRollouts it sees to (comma-separated).
        prometheus_url: Where the predictors' counts are read, in their place; by default they are asked themselves.
        host: The address that health and metrics are served at.
        port: Its port; 0 takes any free one.
        tick_seconds: How often each rollout is looked at.
        threads: How many rollouts are looked at side by side.
        lease: The Lease that says which controller works.
        lease_namespace: Its namespace.
        identity: The name that the Lease knows this controller by; by default the host's, with a random part.
        log_level: What is logged: debug, info, warning or error.
        log_format: json: one object a line; or text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespaces: Annotated[tuple[str, ...], BeforeValidator(_split), Field(min_length=1)] = ("models",)
    prometheus_url: str | None = Field(None, pattern=r"^https?://", repr=False)  # an address may hold a password
    host: str = "0.0.0.0"  # noqa: S104 (a pod's server answers whoever reaches the pod)
    port: int = Field(8080, ge=0, le=65535)
    tick_seconds: float = Field(1.0, gt=0, le=60)
    threads: int = Field(8, ge=1, le=64)
    lease: str = Field("rollouts", min_length=1)
    lease_namespace: str = Field(SYSTEM_NAMESPACE, min_length=1)
    identity: str | None = Field(None, min_length=1)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "json"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings of an environment.

        Args:
            environ: Its variables; those that begin with ``ROLLOUTS_`` must all be settings.

        Raises:
            SettingsError: An unknown variable or a value that cannot be used.
        """
        values = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and not _LINK.search(name) and not value.startswith(("tcp://", "udp://"))
        }
        try:
            return cls.model_validate(values)
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            known = ", ".join(PREFIX + field.upper() for field in cls.model_fields)
            unknown = first["type"] == "extra_forbidden"
            told = f"unknown setting; there are {known}" if unknown else first["msg"]
            raise SettingsError(f"{name}: {told}") from err
