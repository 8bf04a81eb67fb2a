# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager sends to a webhook, version 4, and which retrainings it asks for.

The format is that of Alertmanager's `webhook_config`; fields that are not listed here are let through, as it may get
more of them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from predictors.errors import fault_sentence

#: The labels that name a model, the first one before the second.
MODEL_LABELS = ("model", "model_name")


class MessageError(ValueError):
    """A message is not one of Alertmanager's; the text says what is wrong, and where."""


def _named(labels: dict[str, str]) -> dict[str, str]:
    if not labels.get("alertname"):
        raise ValueError('the label "alertname" is missing')
    return labels


class Alert(BaseModel):
    """One alert of a message."""

    model_config = ConfigDict(frozen=True, strict=True)

    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, str], AfterValidator(_named)]
    annotations: dict[str, str] = {}
    startsAt: str | None = None  # noqa: N815 (Alertmanager's own name)
    fingerprint: str | None = None

    @property
    def name(self) -> str:
        """Which alert it is."""
        return self.labels["alertname"]

    @property
    def model(self) -> str:
        """The model that it is about; empty where it is about none."""
        return next((self.labels[label] for label in MODEL_LABELS if self.labels.get(label)), "")


class AlertMessage(BaseModel):
    """A message."""

    model_config = ConfigDict(frozen=True, strict=True)

    version: Literal["4"]
    status: Literal["firing", "resolved"]
    receiver: str
    alerts: list[Alert]


@dataclass(frozen=True)
class Wishes:
    """What a message asks for.

    Attributes:
        because: By model, why it is to be retrained: the names of its alerts, each once.
        ignored: Of each other alert its name, and why it starts nothing.
    """

    because: dict[str, str]
    ignored: list[tuple[str, str]]


def read_message(content: bytes) -> AlertMessage:
    """Return the message in a request's body.

    Raises:
        MessageError: It is none.
    """
    try:
        return AlertMessage.model_validate_json(content)
    except ValidationError as err:
        fault = err.errors(include_url=False)[0]
        told = fault_sentence(fault) if fault["loc"] else fault["msg"]
        raise MessageError(f"not a message of Alertmanager's webhook, version 4: {told}") from err


def wishes_of(message: AlertMessage, models: Collection[str]) -> Wishes:
    """Return which models a message asks to be retrained.

    Args:
        message: The message.
        models: Those that may be.
    """
    names: dict[str, dict[str, None]] = {}
    ignored = []
    for alert in message.alerts:
        if alert.status == "resolved":
            ignored.append((alert.name, "it is resolved"))
        elif not alert.model:
            ignored.append((alert.name, f"it names no model by a label {' or '.join(MODEL_LABELS)}"))
        elif alert.model not in models:
            ignored.append((alert.name, f"{alert.model} is not among the models to be retrained"))
        else:
            names.setdefault(alert.model, {})[alert.name] = None
    return Wishes({model: ", ".join(alerts) for model, alerts in names.items()}, ignored)
