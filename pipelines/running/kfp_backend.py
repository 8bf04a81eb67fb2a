# SPDX-License-Identifier: Apache-2.0
"""Kubeflow Pipelines over HTTP: runs are submitted and scheduled, and what it refuses becomes one sentence.

Who we are is told by a token: one that is given, or that of the file which ``KF_PIPELINES_SA_TOKEN_PATH`` names, or the
one that Kubernetes puts into pods for Kubeflow. Without any, requests go without.
"""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from pipelines.cron import with_seconds
from pipelines.errors import PipelineError

#: As Kubeflow's own client has it.
TOKEN_VARIABLE: Final = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 (a variable's name)
_POD_TOKEN: Final = Path("/var/run/secrets/kubeflow/pipelines/token")
_HEALTH: Final = "/apis/v2beta1/healthz"
_SECONDS: Final = 10.0
_OVER: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
_EQUALS: Final = 1  # of the API's filters
_PAGE: Final = 100
_DENIED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True)
class RunLink:
    """A run on Kubeflow.

    Attributes:
        run_id: Its id.
        url: Its page.
    """

    run_id: str
    url: str


@dataclass(frozen=True)
class RunState:
    """How a run fares.

    Attributes:
        link: The run.
        state: As the API names it, such as ``RUNNING``; empty while it has none yet.
    """

    link: RunLink
    state: str

    @property
    def over(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.state in _OVER


@dataclass(frozen=True)
class Request:
    """A run as it is asked for, now or by a clock.

    Attributes:
        spec: The pipeline, compiled for Kubeflow.
        name: The run's name, or that of the recurring run.
        parameters: The pipeline's parameters.
        service_account: Kubernetes' account that its pods run as; None takes the backend's own.
        caching: Whether steps may come from the cache; those that never do stay so.
    """

    spec: Path
    name: str
    parameters: Mapping[str, Any]
    service_account: str | None = None
    caching: bool = True

    def run(self) -> dict[str, Any]:
        """Return a run as the API takes it, but for the experiment that it is listed under."""
        account = {"service_account": self.service_account} if self.service_account else {}
        return {
            "display_name": self.name,
            "pipeline_spec": _documents(self.spec, caching=self.caching),
            "runtime_config": {"parameters": dict(self.parameters)},
            **account,
        }

    def recurring_run(self, cron: str) -> dict[str, Any]:
        """Return a recurring run likewise: one run at a time, and what was missed is not made up for.

        Args:
            cron: Five fields: minute, hour, day, month, day of the week; in the backend's time zone, UTC by default.

        Raises:
            PipelineError: The time is none.
        """
        return {
            **self.run(),
            "mode": "ENABLE",
            "trigger": {"cron_schedule": {"cron": with_seconds(cron)}},
            "max_concurrency": "1",
            "no_catchup": True,
        }


def submit(
    request: Request, *, url: str, experiment: str, namespace: str | None = None, token: str | None = None
) -> RunLink:
    """Start a run of a compiled pipeline.

    Args:
        request: The run.
        url: The API's address.
        experiment: What it is listed under; made when it is missing.
        namespace: The profile, where there are several users.
        token: Who we are; None looks for one as this module says.

    Raises:
        PipelineError: Nobody answers, or the run is refused.
    """
    client = _connect(url, namespace, token)
    with _told(url, f"the run {request.name}"):
        run = {"experiment_id": _experiment_id(client, experiment, namespace), **request.run()}
        return _link(url, client.runs.run_service_create_run(run=run))


def schedule(
    request: Request, cron: str, *, url: str, experiment: str, namespace: str | None = None, token: str | None = None
) -> str:
    """Have a compiled pipeline run by a clock, in place of the recurring runs of that name in the experiment.

    Args:
        request: The run.
        cron: When; see ``Request.recurring_run``.
        url: The API's address.
        experiment: What runs are listed under; made when it is missing.
        namespace: The profile, where there are several users.
        token: Who we are; None looks for one as this module says.

    Returns:
        The recurring run's name.

    Raises:
        PipelineError: The time is none, nobody answers, or the recurring run is refused.
    """
    recurring_run = request.recurring_run(cron)
    client = _connect(url, namespace, token)
    with _told(url, f"the recurring run {request.name}"):
        api, experiment_id = client.recurring_runs, _experiment_id(client, experiment, namespace)
        former = [
            each.recurring_run_id
            for each in _pages(api.recurring_run_service_list_recurring_runs, request.name, experiment_id=experiment_id)
        ]
        # First the new one: should it be refused, the former stays.
        api.recurring_run_service_create_recurring_run(recurring_run={"experiment_id": experiment_id, **recurring_run})
        for each in former:
            api.recurring_run_service_delete_recurring_run(recurring_run_id=each)
    return request.name


def runs(url: str, name: str, *, namespace: str | None = None, token: str | None = None) -> list[RunState]:
    """Return the runs of that name, whatever has become of them.

    Args:
        url: The API's address.
        name: The runs' name.
        namespace: The profile, where there are several users.
        token: Who we are; None looks for one as this module says.

    Raises:
        PipelineError: Nobody answers, or access is refused.
    """
    client = _connect(url, namespace, token)
    within = {"namespace": namespace} if namespace else {}
    with _told(url, f"to list the runs of {name}"):
        found = list(_pages(client.runs.run_service_list_runs, name, **within))
    return [RunState(_link(url, each), str(each.state or "")) for each in found]


def active_runs(url: str, name: str, *, namespace: str | None = None, token: str | None = None) -> list[RunLink]:
    """Return the runs of that name which have not come to an end; see ``runs``."""
    return [each.link for each in runs(url, name, namespace=namespace, token=token) if not each.over]


def _connect(url: str, namespace: str | None, token: str | None) -> Any:
    """Return kfp's client once the API has answered: the client itself would try for half a minute."""
    import requests

    if not url.startswith(("http://", "https://")):
        raise PipelineError(f"{url}: the address of Kubeflow Pipelines begins with http:// or https://")
    token = token or _token_of_environment()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = requests.get(f"{url.rstrip('/')}{_HEALTH}", headers=headers, timeout=_SECONDS, allow_redirects=False)
    except requests.RequestException as err:
        raise _unreachable(url, err) from err
    if answer.status_code in _DENIED:
        raise _denied(url, answer.status_code, _message_of(answer.text))
    if answer.is_redirect:
        raise _denied(url, answer.status_code, "it asks for a log-in")
    health = _document_of(answer.text)
    if answer.status_code != HTTPStatus.OK or "multi_user" not in health:
        raise PipelineError(
            f"{url}: this is not the API of Kubeflow Pipelines 2.x (HTTP {answer.status_code} for {_HEALTH}); give the "
            "address that its pages have, or that of the service ml-pipeline at port 8888"
        )
    if health["multi_user"] is True and namespace is None:
        raise PipelineError(f"{url}: this Kubeflow has several users; name the profile with --kfp-namespace")
    with warnings.catch_warnings():
        # That it is for Kubeflow Pipelines 2: it is.
        warnings.simplefilter("ignore", FutureWarning)
        from kfp import Client

        return Client(host=url.rstrip("/"), namespace=namespace or "kubeflow", existing_token=token)


def _token_of_environment() -> str | None:
    named = os.environ.get(TOKEN_VARIABLE)
    path = Path(named) if named else _POD_TOKEN
    try:
        return path.read_text().strip()
    except OSError as err:
        if named is None:
            return None
        raise PipelineError(f"{path}: cannot be read ({err.strerror}); {TOKEN_VARIABLE} names it") from err


def _experiment_id(client: Any, name: str, namespace: str | None) -> str:
    within = {"namespace": namespace} if namespace else {}
    found = list(_pages(client.experiments.experiment_service_list_experiments, name, **within))
    if found:
        return str(found[0].experiment_id)
    wanted = client.api_models.V2beta1Experiment(display_name=name, **within)
    return str(client.experiments.experiment_service_create_experiment(experiment=wanted).experiment_id)


def _pages(list_page: Any, name: str, **within: str) -> Iterator[Any]:
    """Yield what is of that name, page by page."""
    predicate = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    token = ""
    while True:
        answer = list_page(filter=json.dumps({"predicates": [predicate]}), page_size=_PAGE, page_token=token, **within)
        field = next(field for field in ("experiments", "runs", "recurring_runs") if hasattr(answer, field))
        yield from getattr(answer, field) or ()
        token = answer.next_page_token or ""
        if not token:
            return


def _documents(spec: Path, *, caching: bool) -> dict[str, Any]:
    """Return a compiled pipeline as the API takes it."""
    import yaml

    pipeline, *platform = yaml.safe_load_all(spec.read_text())
    if not caching:
        _without_cache(pipeline)
    return {"pipeline_spec": pipeline, "platform_spec": platform[0]} if platform else pipeline


def _without_cache(pipeline: dict[str, Any]) -> None:
    """Take every task's caching away; kfp's client does so for those at the top alone."""
    for component in (pipeline["root"], *pipeline.get("components", {}).values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {}


def _link(url: str, run: Any) -> RunLink:
    page = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or url
    return RunLink(run.run_id, f"{page.rstrip('/')}/#/runs/details/{run.run_id}")


@contextmanager
def _told(url: str, what: str) -> Iterator[None]:
    """Turn the client's errors into one sentence each."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as err:
        raise _unreachable(url, err) from err
    except ApiException as err:
        if err.status in _DENIED:
            raise _denied(url, err.status, _message_of(err.body)) from err
        raise PipelineError(f"{url}: Kubeflow refuses {what}: {_message_of(err.body) or err.reason}") from err


def _document_of(text: object) -> dict[str, Any]:
    try:
        document = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message_of(text: object) -> str:
    document = _document_of(text)
    return " ".join(str(document.get("message") or document.get("error") or "").split())


def _unreachable(url: str, err: Exception) -> PipelineError:
    return PipelineError(
        f"{url}: Kubeflow Pipelines does not answer ({_reason(err)}); is the address right, and is it up? To reach one "
        "in a cluster: kubectl port-forward -n kubeflow service/ml-pipeline 8888"
    )


def _reason(err: BaseException) -> str:
    """Return the innermost word on why a request came to nothing."""
    reason = getattr(err, "reason", None) or next((each for each in err.args if isinstance(each, Exception)), None)
    if isinstance(reason, Exception):
        return _reason(reason)
    told = getattr(err, "strerror", None) or str(err).rpartition(": ")[2].partition("] ")[2] or str(err)
    return told or type(err).__name__


def _denied(url: str, status: int, message: str) -> PipelineError:
    told = f"HTTP {status}{': ' if message else ''}{message}"
    return PipelineError(
        f"{url}: access is refused ({told}); put a token of someone who may into a file, and the file's path into "
        f"{TOKEN_VARIABLE}"
    )
