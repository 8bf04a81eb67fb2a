# SPDX-License-Identifier: Apache-2.0
"""The server's settings: one frozen model, from ``PREDICTOR_*`` variables, with the command line's words on top."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from predictors.errors import SettingsError
from predictors.loading import LoadPolicy

PREFIX: Final = "PREDICTOR_"
_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)|^PREDICTOR_PORT$")


def _split(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def _is_link(name: str, value: str) -> bool:
    """Whether Kubernetes made the variable, for a Service of the namespace whose name begins with "predictor"."""
    return bool(_LINK.search(name)) or value.startswith(("tcp://", "udp://", "sctp://"))


class Settings(BaseModel):
    """How to serve.

    Attributes:
        host: The address to listen on.
        http_port: REST; 0 takes any free port.
        grpc_port: gRPC; 0 takes any free port.
        enable_grpc: Whether to serve gRPC at all.
        workers: Processes that answer; they share the ports and the models' memory.
        max_body_bytes: The largest request body; a larger one is answered 413.
        inline_body_bytes: The largest body that a fast scorer answers on the event loop; larger ones get a thread.
        scoring_threads: Threads in each worker for what must not hold the event loop.
        max_queue: Requests that may wait for one model in each worker; one more is answered 429.
        max_batch_rows: Rows of waiting requests that are scored together, for models without a fast scorer; 1 joins
            none.
        deadline_seconds: How long an answer may take where the client does not say; then it is 504.
        drain_seconds: After SIGTERM: how long new requests are still answered while readiness is false.
        shutdown_seconds: After that: how long requests in flight may take.
        model_repository: Whether models may be unloaded and loaded again over the network; one worker only.
        allow_pickle: Whether ``model.joblib`` may be unpickled.
        allow_imports: Packages besides the platform's own list that a pickle may import from (comma-separated).
        verify_key: A PEM file with the Ed25519 public key that must have signed every artifact.
        log_level: What is logged: debug (a line for every request), info, warning or error.
        log_format: text, or json: one object a line. By default json in the container, text at the command line.
        log_predictions: Where sampled predictions are written: a file, - for standard output, or an http address.
        log_rate: The share of requests that is sampled, 0 to 1.
        log_redact: Tensors whose values are left out of the prediction log (comma-separated).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "0.0.0.0"  # noqa: S104 (a pod's server answers whoever reaches the pod)
    http_port: int = Field(8080, ge=0, le=65535)
    grpc_port: int = Field(8081, ge=0, le=65535)
    enable_grpc: bool = True
    workers: int = Field(1, ge=1, le=64)
    max_body_bytes: int = Field(16 * 2**20, ge=1)
    inline_body_bytes: int = Field(32 * 2**10, ge=0)
    scoring_threads: int = Field(4, ge=1, le=64)
    max_queue: int = Field(128, ge=1)
    max_batch_rows: int = Field(64, ge=1)
    deadline_seconds: float = Field(30.0, gt=0)
    drain_seconds: float = Field(5.0, ge=0)
    shutdown_seconds: float = Field(30.0, ge=0)
    model_repository: bool = False
    allow_pickle: bool = False
    allow_imports: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    verify_key: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] | None = None
    log_predictions: str | None = Field(None, repr=False)  # an address may hold a password
    log_rate: float = Field(1.0, ge=0, le=1)
    log_redact: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **words: Any) -> "Settings":
        """Return the settings of an environment.

        Args:
            environ: Its variables; those that begin with ``PREDICTOR_`` must all be settings.
            words: Settings of the command line; one that is None was not given there.

        Raises:
            SettingsError: An unknown variable or a value that cannot be used, named and never shown.
        """
        given = {
            name: value for name, value in environ.items() if name.startswith(PREFIX) and not _is_link(name, value)
        }
        values: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        values.update({name: value for name, value in words.items() if value is not None})
        try:
            return cls.model_validate(values)
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            name = f"--{field.replace('_', '-')}" if words.get(field) is not None else PREFIX + field.upper()
            known = ", ".join(PREFIX + known.upper() for known in cls.model_fields)
            unknown = first["type"] == "extra_forbidden"
            told = f"unknown setting; there are {known}" if unknown else first["msg"]
            raise SettingsError(f"{name}: {told}") from err

    @property
    def load_policy(self) -> LoadPolicy:
        """What artifacts may do here."""
        return LoadPolicy(self.allow_pickle, self.allow_imports, self.verify_key)
