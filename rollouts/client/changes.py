# SPDX-License-Identifier: Apache-2.0
"""What a user may say to a rollout that is under way: wait, go on, be promoted, be aborted."""

from typing import Any, Final

from cluster.api import FIELD_MANAGER, Cluster
from cluster.errors import ClusterError
from rollouts.client.report import Report
from rollouts.phases import Phase
from rollouts.spec import MODEL_ROLLOUT, RESUMED_STEP, End

_NO_WAY_BACK: Final = frozenset({Phase.PROMOTING, Phase.REVERTING})


def pause(cluster: Cluster, report: Report) -> str:
    """Have a rollout wait, and return what happens next."""
    _check_under_way(report)
    if report.phase in _NO_WAY_BACK:
        raise ClusterError(f"{report.rollout} cannot be paused any more: it is {report.phase}")
    if report.paused:
        return f"{report.rollout} is paused already; {_resume_line(report)}"
    _patch(cluster, report, {"spec": {"paused": True}})
    if not report.traffic:
        return f"{report.rollout} waits before {report.version} answers its first request; {_resume_line(report)}"
    return (
        f"{report.rollout} waits: {report.version} keeps {report.traffic} % of the requests, and is reverted all the "
        f"same if it does harm; {_resume_line(report)}"
    )


def resume(cluster: Cluster, report: Report) -> str:
    """Have a rollout go on, from a pause or from a step that holds, and return what happens next."""
    _check_under_way(report)
    if report.paused:
        _patch(cluster, report, {"spec": {"paused": False}})
        then = f"; step {report.step} holds its {report.traffic} % until it is resumed again" if report.holds else ""
        return f"{report.rollout} goes on{then}"
    if report.holds and report.phase in (Phase.PAUSED, Phase.PROGRESSING):
        _patch(cluster, report, {"metadata": {"annotations": {RESUMED_STEP: str(report.step)}}})
        return (
            f"{report.rollout} goes on from step {report.step}, which holds {report.traffic} %, as soon as its gates "
            "let it"
        )
    raise ClusterError(f"{report.rollout} is not paused: it is {report.phase}, and goes on by itself")


def promote(cluster: Cluster, report: Report) -> str:
    """Have a rollout promoted at once, and return what happens next."""
    _check_under_way(report)
    if report.phase in _NO_WAY_BACK:
        raise ClusterError(f"{report.rollout} cannot be promoted: it is {report.phase}")
    # One that waits before it has begun would go on waiting.
    waits = report.paused and report.started is None
    _patch(cluster, report, {"spec": {"end": End.PROMOTE, **({"paused": False} if waits else {})}})
    return (
        f"{report.rollout} is promoted whatever its gates say: {report.service} is brought to {report.version} pod by "
        f"pod; {_watch_line(report)}"
    )


def abort(cluster: Cluster, report: Report) -> str:
    """Have a rollout reverted at once, and return what happens next."""
    _check_under_way(report)
    if report.phase is Phase.REVERTING:
        raise ClusterError(f"{report.rollout} is being reverted already")
    _patch(cluster, report, {"spec": {"end": End.ABORT}})
    stays = f"{report.service} stays at {report.former_version}" if report.former_version else "nothing was changed"
    return (
        f"{report.rollout} is aborted: no request goes to {report.version} any more, then its pods go, and {stays}; "
        f"{_watch_line(report)}"
    )


def go_back(cluster: Cluster, report: Report) -> None:
    """Have a promoted rollout, whose former version is still running, give it the requests again."""
    _patch(cluster, report, {"spec": {"end": End.ABORT}})


def _check_under_way(report: Report) -> None:
    if report.under_way:
        return
    back = f"; `portside rollback {report.service}` goes back" if report.phase is Phase.PROMOTED else ""
    raise ClusterError(f"no rollout of {report.service} is under way: {report.rollout} is {report.phase}{back}")


def _resume_line(report: Report) -> str:
    return f"`portside rollout resume {report.rollout}` has it go on"


def _watch_line(report: Report) -> str:
    return f"`portside rollout status {report.rollout} --watch` shows how it goes"


def _patch(cluster: Cluster, report: Report, change: dict[str, Any]) -> None:
    metadata = {**change.get("metadata", {}), "name": report.rollout, "namespace": report.namespace}
    document = {"apiVersion": MODEL_ROLLOUT[0], "kind": MODEL_ROLLOUT[1], **change, "metadata": metadata}
    cluster.patch(document, manager=FIELD_MANAGER)
