# SPDX-License-Identifier: Apache-2.0
"""All ModelRollouts as the cluster last told of them, so that a look at one need not ask for all others."""

import threading
from collections.abc import Mapping
from typing import Any

from cluster.api import Object
from rollouts.controller.schedule import Key


class Neighbours:
    """What was heard of each rollout; threads may ask while it is told."""

    def __init__(self) -> None:
        self._known: dict[Key, Object] = {}
        self._lock = threading.Lock()

    def hear(self, key: Key, document: Mapping[str, Any] | None) -> None:
        """Take in what the cluster tells of a rollout; None: it is gone."""
        with self._lock:
            if document is None:
                self._known.pop(key, None)
            else:
                # What was measured is large, and nobody else's concern.
                status = {key: value for key, value in document.get("status", {}).items() if key == "phase"}
                self._known[key] = {"metadata": document["metadata"], "spec": document["spec"], "status": status}

    def of(self, key: Key) -> list[Object]:
        """Return all rollouts of the namespace that one is in."""
        with self._lock:
            return [each for other, each in self._known.items() if other.namespace == key.namespace]
