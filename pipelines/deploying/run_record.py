# SPDX-License-Identifier: Apache-2.0
"""How a run ended, as the registry keeps it and as people and other programs are told."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pipelines.registry import Registry
from pipelines.running.refusals import Refusal

SUCCEEDED: Final = "succeeded"
_NOTIFY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """How a run ended.

    Attributes:
        run: Its name.
        model: The model.
        state: ``succeeded``, ``failed`` or ``cancelled``.
        because: Why it was started; empty where nobody said.
        step: Where it stopped; empty where it did not, or where that is not known.
        reason: Why it stopped, in one sentence; empty where it did not.
        champion: The version that is champion now; empty where none is.
        version: The version that this run made champion; empty where it made none.
        ended: When, in ISO 8601, UTC.
    """

    run: str
    model: str
    state: str
    because: str
    step: str
    reason: str
    champion: str
    version: str
    ended: str

    @property
    def line(self) -> str:
        """The run's end in one line."""
        head = f"{self.model}: run {self.run} {self.state}"
        champion = f"{self.model} {self.champion} stays the champion" if self.champion else "there is no champion"
        if self.state != SUCCEEDED:
            place = f" at {self.step}" if self.step else ""
            return f"{head}{place}: {self.reason}; {champion}"
        return f"{head}: {self.model} {self.version} is the champion now" if self.version else f"{head}: {champion}"

    def document(self) -> dict[str, Any]:
        """Return it for JSON; a version is told only where the run has brought one in."""
        told = asdict(self)
        return told if self.version else {name: value for name, value in told.items() if name != "version"}

    def to_bytes(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(self.document(), indent=2).encode()


def record_of(
    registry: Registry,
    *,
    run: str,
    model: str,
    state: str,
    because: str,
    refusal: Refusal | None,
    message: str,
) -> RunRecord:
    """Return how a run ended.

    Args:
        registry: Where the model's versions live.
        run: The run's name.
        model: The model's name.
        state: As Kubeflow tells it, such as ``SUCCEEDED``.
        because: Why the run was started.
        refusal: What one of its steps refused; None when none did.
        message: What Kubeflow says of the failure; may be empty.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    champion = registry.aliases(model).champion or ""
    by = registry.manifest(model, champion).lineage.get("run") if champion else None
    ended = state.lower()
    step, reason = "", ""
    if ended != SUCCEEDED:
        step = refusal["step"] if refusal else ""
        reason = refusal["sentence"] if refusal else message or "no step said why; the run's logs tell"
    return RunRecord(
        run=run,
        model=model,
        state=ended,
        because=because,
        step=step,
        reason=reason,
        champion=champion,
        version=champion if by == run and ended == SUCCEEDED else "",
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def record_path(model: str, run: str) -> str:
    """Return where the registry keeps how a run ended."""
    return f".runs/{model}/{run}.json"


def notify(url: str, record: RunRecord) -> str | None:
    """Post how a run ended to a URL, and return why that was not possible; None when it was taken.

    Args:
        url: Where to, http or https.
        record: What is told, as JSON.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        return f"{url} is no http or https address"
    request = Request(url, data=record.to_bytes(), headers={"Content-Type": "application/json"})  # noqa: S310 (checked)
    try:
        with urlopen(request, timeout=_NOTIFY_SECONDS):  # noqa: S310 (checked)
            return None
    except (OSError, HTTPException, ValueError) as err:
        return f"{urlsplit(url).hostname} was not told: {err}"
