# SPDX-License-Identifier: Apache-2.0
"""The only edge to Kubernetes: objects are plain dictionaries, and a refusal is one sentence."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Any, Final

from cluster.api_client import CONNECT_SECONDS, api_client
from cluster.errors import ClusterError

#: Who owns the fields that Portside applies, as Kubernetes records it on every object.
FIELD_MANAGER: Final = "portside"
#: How long an API server's answer is waited for, in seconds: as long as it gives a request itself.
ANSWER_SECONDS: Final = 60.0

Object = dict[str, Any]


class RefusedError(ClusterError):
    """The API server has answered, and does not do what it is asked for; the text says why."""


class ConflictError(RefusedError):
    """Somebody else was first: owns a field that was to be applied, has changed the object, or made one of its name."""


class Cluster:
    """A Kubernetes API server, reached as ``kubectl`` reaches it.

    Every method raises ClusterError where it does not answer in time; a log that is followed may be silent for as long
    as it likes.

    Args:
        context: A context of the kubeconfig; None takes the current one. Inside a pod without a kubeconfig, the pod's
            service account is used.
        seconds: How long an answer is waited for.

    Raises:
        ClusterError: There is no kubeconfig, no such context, or no API server there.
    """

    def __init__(self, context: str | None = None, *, seconds: float = ANSWER_SECONDS) -> None:
        import yaml
        from kubernetes import client, config
        from kubernetes.dynamic import DynamicClient

        settings = client.Configuration()
        try:
            # Inside a pod there is no kubeconfig, and none is asked for by its context.
            if context is None and "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(context=context, client_configuration=settings)
        # Of a file that is no kubeconfig the client says so in errors of every kind.
        except (config.ConfigException, yaml.YAMLError, OSError, AttributeError, TypeError, ValueError) as err:
            told = _line(err)
            raise ClusterError(f"no usable kubeconfig ({told}); set KUBECONFIG, or name a context of it") from err
        # A server that cannot be reached is told at once, not after the client's own minutes of retries.
        settings.retries = False
        self.server: str = settings.host
        self._seconds = seconds
        try:
            with self._told("the cluster"):
                # What a cluster knows is asked anew each time. The client would keep it in a file that is named after
                # the address alone, so that the next cluster at that address would be taken for this one: no such file.
                self._client = DynamicClient(api_client(settings, seconds), cache_file=f"{os.devnull}/none")
        # Whatever else answers there tells nothing of what the client looks for.
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise ClusterError(
                f"{self.server} is no address of a Kubernetes API server, or something else answers there; is "
                "KUBECONFIG the cluster's own?"
            ) from err

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object; None when it, its namespace or its whole kind is not there."""
        resource = self._resource(api_version, kind)
        # No object has such a name; the address that it makes is that of something else, such as of a whole list.
        if resource is None or not name or "/" in name:
            return None
        from kubernetes.dynamic.exceptions import NotFoundError

        with self._told(f"{kind} {name}"):
            try:
                return _plain(resource.get(name=name, namespace=namespace))
            except NotFoundError:
                return None

    def objects(
        self, api_version: str, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Return the objects of a kind, in one namespace or all; none when the kind is unknown to the cluster.

        Args:
            api_version: Such as ``apps/v1``.
            kind: Such as ``Deployment``.
            namespace: None lists all namespaces.
            labels: A label selector.
            fields: A field selector.
        """
        resource = self._resource(api_version, kind)
        if resource is None:
            return []
        with self._told(f"{kind} objects"):
            found = resource.get(namespace=namespace, label_selector=labels or None, field_selector=fields or None)
        # Items of a list come without these two, which every other object has.
        return [{"apiVersion": api_version, "kind": kind, **item} for item in _plain(found)["items"]]

    def knows(self, api_version: str, kind: str) -> bool:
        """Return whether the cluster has a kind, such as that of a CustomResourceDefinition."""
        return self._resource(api_version, kind) is not None

    def apply(
        self,
        document: Mapping[str, Any],
        *,
        force: bool = True,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Create or change an object by server-side apply and return it as it then is.

        Args:
            document: The object with the fields that Portside wants; others are left as they are.
            force: Take over fields that another manager owns; without it, a conflict is refused.
            dry_run: Have it checked by the API server, webhooks included, and change nothing.
            manager: Who owns the fields. One that leaves out a field it applied before removes it.

        Raises:
            ConflictError: Another manager owns a field, and nothing was forced.
            ClusterError: The cluster does not know the kind, or refuses the object; the text says why.
        """
        resource = self._known(document)
        metadata = document["metadata"]
        words = {"dry_run": "All"} if dry_run else {}
        with self._told(f"{document['kind']} {metadata['name']}"):
            return _plain(
                self._client.server_side_apply(
                    resource,
                    body=dict(document),
                    namespace=metadata.get("namespace"),
                    field_manager=manager,
                    force_conflicts=force,
                    **words,
                )
            )

    def create(self, document: Mapping[str, Any], *, manager: str = FIELD_MANAGER) -> Object:
        """Create an object and return it as it then is.

        Args:
            document: The object.
            manager: Who owns its fields.

        Raises:
            ConflictError: There is one of that name.
            ClusterError: The cluster does not know the kind, or refuses the object.
        """
        resource = self._known(document)
        metadata = document["metadata"]
        with self._told(f"{document['kind']} {metadata['name']}"):
            return _plain(
                resource.create(body=dict(document), namespace=metadata.get("namespace"), field_manager=manager)
            )

    def patch(
        self, document: Mapping[str, Any], *, manager: str | None = None, subresource: str | None = None
    ) -> Object:
        """Merge fields into an object that exists and return it as it then is; null removes a field.

        Args:
            document: The fields. With ``metadata.resourceVersion`` the object must still be of that version.
            manager: Who owns the fields that change; None names the client.
            subresource: ``status`` writes that part of the object, and nothing else.

        Raises:
            ConflictError: It has changed since the given version.
            ClusterError: It is not there, or the cluster refuses it.
        """
        resource = self._known(document)
        if subresource is not None:
            resource = resource.subresources[subresource]
        metadata = document["metadata"]
        words = {} if manager is None else {"field_manager": manager}
        with self._told(f"{document['kind']} {metadata['name']}"):
            return _plain(
                resource.patch(
                    body=dict(document),
                    name=metadata["name"],
                    namespace=metadata.get("namespace"),
                    content_type="application/merge-patch+json",
                    **words,
                )
            )

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object and what it owns; return whether it was there."""
        resource = self._resource(api_version, kind)
        if resource is None:
            return False
        from kubernetes.dynamic.exceptions import NotFoundError

        with self._told(f"{kind} {name}"):
            try:
                resource.delete(name=name, namespace=namespace, body={"propagationPolicy": "Background"})
            except NotFoundError:
                return False
            return True

    def version(self) -> str:
        """Return the API server's version, such as ``v1.34.4``."""
        version: str = self._client.version["kubernetes"]["gitVersion"]
        return version

    def log_lines(
        self, pod: str, namespace: str, *, container: str | None = None, follow: bool = False, **words: Any
    ) -> Iterator[str]:
        """Yield the lines of a container's log.

        Args:
            pod: The pod.
            namespace: Its namespace.
            container: One of its containers; None where it has only one.
            follow: Go on until the container ends.
            words: What the API takes besides: ``tail_lines``, ``since_seconds``, ``previous``; and as
                ``_request_timeout`` how long to connect and to wait for the next bytes, in seconds.
        """
        from kubernetes.client import CoreV1Api

        words.setdefault("_request_timeout", (CONNECT_SECONDS, None if follow else self._seconds))
        with _told(f"the log of pod {pod}", words["_request_timeout"][1] or self._seconds):
            stream: Any = CoreV1Api(self._client.client).read_namespaced_pod_log(
                pod, namespace, container=container, follow=follow, _preload_content=False, **words
            )
            rest = b""
            for chunk in stream.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
            if rest:
                yield rest.decode(errors="replace")

    def ask_pod(self, pod: str, namespace: str, port: int, path: str, *, seconds: float = 2.0) -> Any:
        """Return what a pod answers to a GET request, parsed from JSON, asked through the API server.

        Args:
            pod: The pod.
            namespace: Its namespace.
            port: The port that it listens on.
            path: What is asked for, without the leading slash.
            seconds: How long its answer is waited for.

        Raises:
            ClusterError: It does not answer, or with an error, or not with JSON.
        """
        try:
            return json.loads(self._asked_of_pod(pod, namespace, port, path, seconds))
        except ValueError as err:
            raise ClusterError(f"pod {pod} answers {path} with something else than JSON") from err

    def text_of_pod(self, pod: str, namespace: str, port: int, path: str, *, seconds: float = 2.0) -> str:
        """Return what a pod answers to a GET request as text; arguments and errors as of ``ask_pod``."""
        return self._asked_of_pod(pod, namespace, port, path, seconds).decode(errors="replace")

    def post_to_pod(
        self, pod: str, namespace: str, port: int, path: str, document: Any, *, seconds: float = 30.0
    ) -> tuple[int, bytes]:
        """Return status and body of a pod's answer to a POST request, sent through the API server.

        Args:
            pod: The pod.
            namespace: Its namespace.
            port: The port that it listens on.
            path: What is asked for, without the leading slash.
            document: What is sent, as JSON.
            seconds: How long its answer is waited for.

        Raises:
            ClusterError: It cannot be reached, or the API server does not let it be.
        """
        from kubernetes.client import ApiException

        with _told(f"pod {pod}", seconds):
            try:
                answer, status, _ = self._client.client.call_api(
                    f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}",
                    "POST",
                    header_params={"Accept": "*/*", "Content-Type": "application/json"},
                    body=document,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _request_timeout=(seconds, seconds),
                )
            except ApiException as err:
                # What the API server itself has to say comes as a Status; anything else is the pod's own answer.
                if err.body is None or _is_status(err.body):
                    raise
                return int(err.status), err.body
        return int(status), answer.data

    def _asked_of_pod(self, pod: str, namespace: str, port: int, path: str, seconds: float) -> bytes:
        from kubernetes.client import CoreV1Api

        with _told(f"pod {pod}", seconds):
            answer: Any = CoreV1Api(self._client.client).connect_get_namespaced_pod_proxy_with_path(
                f"{pod}:{port}", namespace, path, _preload_content=False, _request_timeout=(seconds, seconds)
            )
            body: bytes = answer.data
            return body

    def _told(self, what: str) -> AbstractContextManager[None]:
        return _told(what, self._seconds)

    def _known(self, document: Mapping[str, Any]) -> Any:
        api_version, kind = document["apiVersion"], document["kind"]
        resource = self._resource(api_version, kind)
        if resource is None:
            raise ClusterError(
                f"the cluster does not know {kind} ({api_version}): its controller is not installed; run `make install`"
            )
        return resource

    def _resource(self, api_version: str, kind: str) -> Any:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        with self._told("the cluster"):
            try:
                return self._client.resources.get(api_version=api_version, kind=kind)
            except ResourceNotFoundError:
                return None


def _plain(instance: Any) -> Object:
    found: Object = instance.to_dict()
    return found


@contextmanager
def _told(what: str, seconds: float) -> Iterator[None]:
    """Turn the client's errors into one sentence each.

    Args:
        what: What is asked for.
        seconds: How long the answer is waited for.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    try:
        yield
    except ApiException as err:
        kind = ConflictError if err.status == HTTPStatus.CONFLICT else RefusedError
        raise kind(f"{what}: {_reason(err)}") from err
    except ReadTimeoutError as err:
        raise ClusterError(f"{what}: no answer within {seconds:g} s; is the cluster up, and not overloaded?") from err
    except HTTPError as err:
        raise ClusterError(f"{what} cannot be reached ({err}); is the cluster up, and KUBECONFIG its own?") from err


def _is_status(body: bytes) -> bool:
    """Return whether an answer is the API server's own word on a request."""
    try:
        return bool(json.loads(body)["kind"] == "Status")
    except (ValueError, KeyError, TypeError):
        return False


def _reason(err: Any) -> str:
    """Return the sentence of the API server's answer."""
    try:
        return str(json.loads(err.body)["message"])
    except (ValueError, KeyError, TypeError):
        return _line(err.reason) if not err.status else f"HTTP {err.status} {err.reason}"


def _line(err: object) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(err).split())
