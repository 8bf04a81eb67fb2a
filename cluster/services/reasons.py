# SPDX-License-Identifier: Apache-2.0
"""Why a service is not as it is wanted, in one sentence; pure, from what was observed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.api import Object
from cluster.names import GATEWAY
from cluster.readiness import condition, is_ready, is_taken_up
from cluster.services.artifact_uri import version_of
from cluster.services.last_words import in_one_line, last_words
from cluster.services.objects import HTTP_ROUTE
from cluster.services.observation import INITIALIZER, Observed, source_of

_IMAGE_FAILURES: Final = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
#: A first failed pull may be the registry's mood; these are past it.
_FINAL_WAITS: Final = ("ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError")
#: What stands in front of why a pull failed, each naming the image again.
_PULL_PREAMBLE: Final = re.compile(r'^(Back-off pulling image "[^"]*": ErrImagePull: )?(failed to [^":]+ "[^"]*": )*')
#: The server's exit code when it refuses what it was given: it would refuse it again.
_REFUSED: Final = 2
_STUCK_EVENTS: Final = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreate")
_EXTERNAL_CLASSES: Final = ("external", "none")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a service is not as it is wanted.

    Attributes:
        text: One sentence, without the service's name.
        final: Whether waiting alone will not help.
    """

    text: str
    final: bool = False


def explain(observed: Observed) -> Reason | None:
    """Return why a service is not ready in its wanted version; None when it is, on every replica."""
    return explain_pods(observed) or _of_conditions(observed) or _of_routes(observed)


def explain_pods(observed: Observed) -> Reason | None:
    """Return why the pods of a service's Deployment are not all there and ready; None when they are."""
    return _of_service(observed) or _of_pods(observed)


def sentence(reason: Reason, observed: Observed) -> str:
    """Return why a service is not as it is wanted, and which version serves meanwhile where it is a former one."""
    former = [version_of(source_of(pod)) for pod in observed.former_ready]
    if not former:
        return reason.text
    serving = ", ".join(dict.fromkeys(former))
    return f"{version_of(observed.artifact)} is not ready, {serving} goes on serving: {reason.text}"


def _of_service(observed: Observed) -> Reason | None:
    service, status = observed.service, observed.service.get("status", {})
    if "deletionTimestamp" in service["metadata"]:
        return Reason("it is being deleted")
    stopped = condition(service, "Stopped")
    if stopped is not None and stopped["status"] == "True":
        return Reason("it is stopped by its annotation serving.kserve.io/stop", final=True)
    model = status.get("modelStatus", {})
    if model.get("transitionStatus") == "InvalidSpec":
        failure = model.get("lastFailureInfo", {})
        said = failure.get("message") or failure.get("reason") or "its spec is invalid"
        return Reason(f"KServe refuses it: {in_one_line(said)}", final=True)
    if not observed.is_followed:
        return Reason(_event(observed, "InferenceService", observed.name) or "KServe has not yet taken up its change")
    return None


def _of_pods(observed: Observed) -> Reason | None:
    deployment = observed.deployment
    if deployment is None or not is_taken_up(deployment):
        return Reason("its Deployment's last change is not yet taken up")
    new = observed.new_pods
    ready = sum(map(is_ready, new))
    reasons = [_of_pod(pod, observed) for pod in new if not is_ready(pod)]
    final = next((reason for reason in reasons if reason.final), None)
    if final is not None:
        return final
    wanted = _wanted(observed, deployment)
    if ready < wanted:
        refused = condition(deployment, "ReplicaFailure")
        if refused is not None and refused["status"] == "True":
            return _refused(refused)
        return reasons[0] if reasons else Reason(f"{ready} of {wanted} pods are there")
    left = len(observed.old_pods)
    return Reason(f"{left} pod{'s' if left > 1 else ''} of the former version still to go") if left else None


def _wanted(observed: Observed, deployment: Mapping[str, Any]) -> int:
    """Return how many pods must be ready: while an autoscaler adds some, only those that there have to be."""
    annotations = observed.service["metadata"].get("annotations", {})
    if annotations.get("serving.kserve.io/autoscalerClass") in _EXTERNAL_CLASSES:
        return int(deployment["spec"].get("replicas", 1))
    return observed.least


def _refused(found: Mapping[str, Any]) -> Reason:
    said = in_one_line(found.get("message", ""))
    # Such a webhook is KServe's own, which may be starting.
    return Reason(f"no pod is admitted: {said}", final="failed calling webhook" not in said)


def _of_pod(pod: Object, observed: Observed) -> Reason:
    status = pod.get("status", {})
    reasons = (_of_container(container, pod) for container in [*_initializers(status), *_containers(status)])
    return next((reason for reason in reasons if reason is not None), None) or _of_start(pod, observed)


def _of_start(pod: Object, observed: Observed) -> Reason:
    """Return what a pod, none of whose containers has failed, waits for."""
    title, status = f"pod {pod['metadata']['name']}", pod.get("status", {})
    scheduled = condition(pod, "PodScheduled")
    stuck = _event(observed, "Pod", pod["metadata"]["name"])
    if scheduled is not None and scheduled["status"] == "False":
        told = f"{title} cannot be scheduled: {in_one_line(scheduled.get('message', ''))}"
    elif status.get("phase") == "Failed":
        told = f"{title} has failed: {in_one_line(status.get('message') or status.get('reason', ''))}"
    elif _was_ready(pod):
        told = f"{title} was ready, and its readiness probe fails now"
    elif _is_running(_containers(status)):
        told = f"{title} loads its model"
    elif _is_running(_initializers(status)):
        told = f"{title} fetches {source_of(pod) or 'its model'}"
    else:
        told = f"{title}: {stuck}" if stuck is not None else f"{title} is being started"
    return Reason(told)


def _is_running(containers: Sequence[Object]) -> bool:
    return any(each.get("state", {}).get("running") is not None for each in containers)


def _was_ready(pod: Object) -> bool:
    """Return whether a pod that is not ready was so since its present server began."""
    ready = condition(pod, "Ready") or {}
    running = [each["state"]["running"] for each in _containers(pod["status"]) if each.get("state", {}).get("running")]
    began = min((each.get("startedAt") or "" for each in running), default="")
    # Both of one form, so that their order is that of time.
    return bool(began) and ready.get("status") == "False" and (ready.get("lastTransitionTime") or "") > began


def _initializers(status: Mapping[str, Any]) -> list[Object]:
    return status.get("initContainerStatuses") or []


def _containers(status: Mapping[str, Any]) -> list[Object]:
    return status.get("containerStatuses") or []


def _of_container(container: Mapping[str, Any], pod: Object) -> Reason | None:
    name, state = pod["metadata"]["name"], container.get("state", {})
    waiting = state.get("waiting", {})
    why, said = waiting.get("reason", ""), in_one_line(waiting.get("message", ""))
    if why in _IMAGE_FAILURES:
        said = _PULL_PREAMBLE.sub("", said) or why
        return Reason(f"pod {name}: image {container['image']} cannot be pulled: {said}", why in _FINAL_WAITS)
    if why in _FINAL_WAITS:
        return Reason(f"pod {name}: {said or why}", final=True)
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if ended is None or ended.get("exitCode") == 0:
        return None
    # One failed start may be the network's mood; a second one is not.
    looping = why == "CrashLoopBackOff" or container.get("restartCount", 0) > 0
    if container["name"] == INITIALIZER:
        words = last_words(ended.get("message", "")) or f"it ended with exit code {ended['exitCode']}"
        return Reason(f"the storage initializer cannot read {source_of(pod)}: {words}", looping)
    return Reason(f"pod {name}: {how_it_ended(container, ended)}", looping or ended["exitCode"] == _REFUSED)


def how_it_ended(container: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    """Return why a container ended that did not end well.

    Args:
        container: Its status.
        ended: That of its run: ``terminated`` of its state, or of its last one.
    """
    if ended.get("reason") == "OOMKilled":
        limit = container.get("resources", {}).get("limits", {}).get("memory", "")
        return f"it needs more memory than its limit{f' of {limit}' if limit else ''}: raise it with --memory"
    return last_words(ended.get("message", "")) or f"{container['name']} ended with exit code {ended['exitCode']}"


def _of_conditions(observed: Observed) -> Reason | None:
    found = condition(observed.service, "Ready")
    if found is not None and found["status"] == "True":
        return None
    conditions = observed.service.get("status", {}).get("conditions") or []
    unmet = [one for one in conditions if one["status"] != "True" and one.get("message") and one["type"] != "Stopped"]
    if not unmet:
        return Reason("KServe has not yet found it ready")
    return Reason(f"{unmet[0]['type']}: {in_one_line(unmet[0]['message'])}")


def _of_routes(observed: Observed) -> Reason | None:
    if HTTP_ROUTE[1] not in observed.routes:
        return Reason("it has no HTTPRoute, so the Gateway does not lead to it", final=True)
    found = (_of_route(route) for route in observed.routes.values())
    return next((reason for reason in found if reason is not None), None)


def _of_route(route: Mapping[str, Any]) -> Reason | None:
    title, generation = f"{route['kind']} {route['metadata']['name']}", route["metadata"].get("generation")
    parents = route.get("status", {}).get("parents") or []
    conditions = [
        one
        for parent in parents
        if parent["parentRef"]["name"] == GATEWAY
        for one in parent.get("conditions") or []
        if one.get("observedGeneration") == generation
    ]
    if not conditions:
        return Reason(f"the Gateway has not yet taken up {title}")
    unmet = next(
        (one for one in conditions if one["type"] in ("Accepted", "ResolvedRefs") and one["status"] != "True"), None
    )
    if unmet is None:
        return None
    said = f"{unmet.get('reason', '')}: {in_one_line(unmet.get('message', '')).rstrip('.')}"
    if unmet.get("reason") == "NotAllowedByListeners":
        said += f"; label namespace {route['metadata']['namespace']} with portside.dev/gateway=true"
    verb = "is not accepted" if unmet["type"] == "Accepted" else "leads nowhere"
    return Reason(f"{title} {verb}: {said}", final=unmet["type"] == "Accepted")


def _event(observed: Observed, kind: str, name: str) -> str | None:
    """Return the newest warning that says why something does not come about."""
    wanted: Sequence[str] = ("InternalError",) if kind == "InferenceService" else _STUCK_EVENTS
    about = [
        event
        for event in observed.events
        if event["involvedObject"].get("kind") == kind
        and event["involvedObject"].get("name") == name
        and event.get("reason") in wanted
    ]
    about.sort(key=lambda event: str(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp")))
    return in_one_line(about[-1]["message"]) if about else None
