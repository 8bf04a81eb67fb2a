# SPDX-License-Identifier: Apache-2.0
"""When a canary that shall get no more requests has answered its last one."""

from typing import Final

from rollouts.decision.look import Look

#: For so long nothing may be answered: connections of clients and retries of the Gateway reach a bit beyond a change.
_IDLE_SECONDS: Final = 2.0
#: Routes that do not say what the Gateway has made of them are not waited for longer.
_PATIENCE_SECONDS: Final = 30.0
#: Who still gets answers so long after the Gateway has sent the last request asks the canary past the Gateway.
_LONGEST_SECONDS: Final = 300.0


def is_drained(look: Look) -> bool:
    """Return whether the Gateway sends the canary nothing, and it has answered nothing for a while."""
    waited = look.seconds_since(look.status.decided)
    if look.seen.traffic != 0 and waited < _PATIENCE_SECONDS:
        return False
    if look.seen.traffic == 0 and waited >= _LONGEST_SECONDS:
        return True
    return look.status.idle_since is not None and look.seconds_since(look.status.idle_since) >= _IDLE_SECONDS
