# SPDX-License-Identifier: Apache-2.0
"""Which of several controllers works: the one that holds a Lease, and renews it.

As in client-go, nobody's wall clock is compared with another's: a candidate takes a Lease over once it has seen it
unchanged for as long as the Lease says, by its own monotonic clock. A holder counts from before it sent its last
renewal, and stops when two thirds of that are over: always before anybody could take over.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cluster.api import Cluster, ConflictError, Object
from cluster.errors import ClusterError

_log = logging.getLogger(__name__)

LEASE: Final = ("coordination.k8s.io/v1", "Lease")
#: How long a Lease is good for without a renewal, in seconds.
DURATION: Final = 15.0
#: Shares of that: how long its holder acts without a renewal, when it renews, and when a failed attempt is repeated.
_HELD: Final = 2 / 3
_RENEWED: Final = 1 / 3
_RETRIED: Final = 1 / 15


class Lease:
    """A Lease, as one controller sees it.

    Args:
        cluster: Where it is. It must be there already: who may not create one cannot hold another by mistake.
        name: Its name.
        namespace: Its namespace.
        identity: Who this controller is; never the same for two.
        duration: How long it is good for without a renewal, in seconds.
    """

    def __init__(
        self, cluster: Cluster, name: str, namespace: str, identity: str, *, duration: float = DURATION
    ) -> None:
        self.identity = identity
        self.holder = ""
        self._cluster = cluster
        self._metadata = {"name": name, "namespace": namespace}
        self._duration = duration
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0
        self._until = 0.0
        self._told = ""
        self._lock = threading.Lock()
        self._given_back = False

    @property
    def held(self) -> bool:
        """Whether this controller may act now."""
        return time.monotonic() < self._until

    def acquire(self, ending: threading.Event) -> bool:
        """Wait until the Lease is this controller's; return False where the process is to end first."""
        while not ending.is_set():
            if self._attempt():
                _log.info("leads as %s", self.identity)
                return True
            ending.wait(self._duration * _RETRIED)
        return False

    def keep(self, ending: threading.Event, lost: Callable[[str], None]) -> None:
        """Renew it in threads of its own until the process is to end.

        Args:
            ending: Set when it is.
            lost: Told why, in one sentence, once the Lease cannot be held: whoever works must stop at once.
        """

        def renew() -> None:
            while not ending.wait(self._duration * _RENEWED):
                while not self._attempt() and not ending.is_set():
                    if self.holder not in ("", self.identity):
                        lost(f"{self.holder} has taken the Lease")
                        return
                    ending.wait(self._duration * _RETRIED)

        def watch() -> None:
            # A thread of its own: a renewal may hang for longer than the Lease is good for.
            while not ending.wait(max(0.0, self._until - time.monotonic())):
                if not self.held:
                    lost("the Lease could not be renewed in time")
                    return

        for work in (renew, watch):
            threading.Thread(target=work, name=f"lease-{work.__name__}", daemon=True).start()

    def release(self) -> None:
        """Give it back, so that another need not wait for its end."""
        held, self._until, self._given_back = self.held, 0.0, True
        # A renewal under way comes first; one that hangs is not waited for.
        if not held or not self._lock.acquire(timeout=self._duration / 3):
            return
        try:
            found = self._read()
            if found.get("spec", {}).get("holderIdentity") == self.identity:
                self._write(found, {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()})
        except ClusterError as err:
            _log.warning("the Lease was not given back: %s", err)
        finally:
            self._lock.release()

    def _attempt(self) -> bool:
        """Take or renew it; return whether it is this controller's."""
        try:
            with self._lock:
                taken = not self._given_back and self._take()
        except ClusterError as err:
            if str(err) != self._told:
                _log.warning("the Lease cannot be had: %s", err)
                self._told = str(err)
            return False
        self._told = ""
        return taken

    def _take(self) -> bool:
        found = self._read()
        spec = found.get("spec") or {}
        record = (spec.get("holderIdentity"), spec.get("acquireTime"), spec.get("renewTime"))
        now = time.monotonic()
        if record != self._seen:
            self._seen, self._seen_at = record, now
        holder = spec.get("holderIdentity") or ""
        self._hear_of(holder)
        if holder not in ("", self.identity) and now < self._seen_at + spec.get("leaseDurationSeconds", self._duration):
            return False
        changes: Object = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": _now(),
        }
        if holder != self.identity:
            changes |= {"acquireTime": changes["renewTime"], "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        try:
            self._write(found, changes)
        except ConflictError:
            return False
        self.holder = self.identity
        self._until = now + self._duration * _HELD
        return True

    def _hear_of(self, holder: str) -> None:
        if holder not in (self.holder, "", self.identity):
            _log.info("waits for the Lease, which %s holds", holder)
        self.holder = holder

    def _read(self) -> Object:
        found = self._cluster.get(*LEASE, self._metadata["name"], self._metadata["namespace"])
        if found is None:
            place = f"{self._metadata['namespace']}/{self._metadata['name']}"
            raise ClusterError(f"there is no Lease {place}; apply manifests/controllers/rollouts")
        return found

    def _write(self, found: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Change what was found, and nothing that has changed since."""
        metadata = {**self._metadata, "resourceVersion": found["metadata"]["resourceVersion"]}
        self._cluster.patch({"apiVersion": LEASE[0], "kind": LEASE[1], "metadata": metadata, "spec": dict(changes)})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
