# SPDX-License-Identifier: Apache-2.0
"""A ModelRollout on the cluster, as its user sees it."""

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from tests.e2e.faulty_versions import uri
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.pods import NAMESPACE

ENDED = ("Promoted", "Reverted", "Inconclusive", "Refused")

#: From its creation to its end, the canary's start and the end of its pods in it.
END_SECONDS = 180

#: Few, so that tests are short.
STEPS = [{"traffic": 20}, {"traffic": 50}]
#: The median, since a machine that tests and serves at once spoils the higher percentiles of all versions alike.
GATES = {
    "errors": {"maxIncrease": 0.005},
    "latency": {"percentile": 50, "maxRatio": 3.0, "maxMilliseconds": 40},
    "predictions": {"maxShift": 0.2},
}
_SPEC = {"steps": STEPS, "gates": GATES, "minRequests": 60, "deadline": "3m", "readyDeadline": "2m"}


@dataclass(frozen=True)
class ModelRollout:
    """One ModelRollout.

    Attributes:
        name: Its name.
    """

    name: str

    def document(self) -> dict[str, Any]:
        """Return the object."""
        words = ("get", "modelrollout", self.name, "--namespace", NAMESPACE, "--output", "json")
        found: dict[str, Any] = json.loads(kubectl(*words))
        return found

    def status(self) -> dict[str, Any]:
        """Return its status; empty before the controller has seen it."""
        found: dict[str, Any] = self.document().get("status", {})
        return found

    @property
    def phase(self) -> str:
        """Where it stands; empty before the controller has seen it."""
        return str(self.status().get("phase", ""))

    def patch(self, **changes: object) -> None:
        """Change its spec."""
        patch = json.dumps({"spec": changes})
        words = ("patch", "modelrollout", self.name, "--namespace", NAMESPACE, "--type", "merge", "--patch", patch)
        kubectl(*words)

    def wait_for(self, phase: str, *, step: int | None = None, seconds: float = END_SECONDS) -> dict[str, Any]:
        """Return its status once it is in a phase, and where given in a step; AssertionError where it ends otherwise.

        Args:
            phase: The phase.
            step: The step's number, from 1, with its traffic already there; None takes any.
            seconds: How long to wait.
        """
        wanted = f"{phase}{'' if step is None else f' at step {step}'}"
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            there = step is None or (status.get("step") == step and status.get("traffic", 0) > 0)
            if status.get("phase") == phase and there:
                return status
            assert status.get("phase") not in ENDED, f"{self.name} was to be {wanted}: {status['verdict']}"
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s for {self.name} to be {wanted}; it is {status}")
            time.sleep(0.2)

    def wait_for_end(self, *, but: str | None = None, seconds: float = END_SECONDS) -> dict[str, Any]:
        """Return its status once it has ended, however that is.

        Args:
            but: An end that it is in already and will leave.
            seconds: How long to wait.
        """

        def ended() -> dict[str, Any] | None:
            status = self.status()
            return status if status.get("phase") in ENDED and status["phase"] != but else None

        return poll(seconds, f"{self.name} to end", ended)

    def reasons(self) -> list[str]:
        """Return why each decision was made, in a word, the newest last."""
        return [each["reason"] for each in self.status().get("decisions", [])]

    def events(self) -> list[str]:
        """Return the reasons of the Events about it."""
        about = f"involvedObject.uid={self.document()['metadata']['uid']}"
        words = ("get", "events", "--namespace", NAMESPACE, "--field-selector", about, "--output", "json")
        return [each["reason"] for each in json.loads(kubectl(*words))["items"]]

    def dump(self) -> None:
        """Print all that tells why it went as it did."""
        words = ("get", "modelrollout", self.name, "--namespace", NAMESPACE, "--output", "yaml")
        print(f"--- {self.name}\n{kubectl(*words, check=False)}", file=sys.stderr)


def create(name: str, service: str, version: str, **spec: object) -> ModelRollout:
    """Make a ModelRollout for a version of the model ``faulty``.

    Args:
        name: Its name.
        service: The InferenceService.
        version: The version.
        spec: What differs from a short rollout of two steps; None leaves a field out.

    Raises:
        AssertionError: The API server refuses it; the text says why.
    """
    fields = {"inferenceService": service, "storageUri": uri(version), **_SPEC, **spec}
    document = {
        "apiVersion": "portside.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {field: value for field, value in fields.items() if value is not None},
    }
    kubectl("create", "--filename", "-", stdin=json.dumps(document))
    return ModelRollout(name)


def rollouts_of(service: str) -> list[ModelRollout]:
    """Return the rollouts of a service, the newest last."""
    found = json.loads(kubectl("get", "modelrollouts", "--namespace", NAMESPACE, "--output", "json"))["items"]
    own = [each for each in found if each["spec"]["inferenceService"] == service]
    own.sort(key=lambda each: each["metadata"]["creationTimestamp"])
    return [ModelRollout(each["metadata"]["name"]) for each in own]
