# SPDX-License-Identifier: Apache-2.0
"""Names as Google Cloud takes them: projects, regions, buckets, labels, ids, aliases; checked before they are sent."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from pipelines.errors import PipelineError

_PROJECT: Final = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,19}")
_REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_ROOT: Final = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^\s#?*\[\]]*)?")
_SERVICE_ACCOUNT: Final = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_NETWORK: Final = re.compile(r"projects/[^/\s]+/global/networks/[^/\s]+")
_LONGEST_LABEL: Final = 63
_MOST_LABELS: Final = 64
_LONGEST_DISPLAY_NAME: Final = 128
_LETTERS: Final = frozenset({"Ll", "Lo"})
_DIGITS: Final = frozenset({"Nd", "Nl", "No"})


def check_project(project: str) -> str:
    """Return a project's id or number; PipelineError when it is neither."""
    if not _PROJECT.fullmatch(project):
        raise PipelineError(
            f'"{project}" is no project of Google Cloud: give its id, such as my-project, or its number'
        )
    return project


def check_region(region: str) -> str:
    """Return a region; PipelineError when it does not look like one."""
    if not _REGION.fullmatch(region):
        raise PipelineError(f'"{region}" is no region of Vertex AI: give one such as europe-west4 or us-central1')
    return region


def check_root(root: str) -> str:
    """Return a folder in Cloud Storage without a slash at its end; PipelineError when it is somewhere else."""
    if not _ROOT.fullmatch(root):
        raise PipelineError(
            f'"{root}": Vertex AI reads and writes in Cloud Storage only: give gs://BUCKET or a folder there'
        )
    return root.rstrip("/")


def check_service_account(account: str | None) -> str | None:
    """Return a service account's address; PipelineError when it is none."""
    if account is not None and not _SERVICE_ACCOUNT.fullmatch(account):
        raise PipelineError(f'"{account}" is no service account: give NAME@PROJECT.iam.gserviceaccount.com')
    return account


def check_network(network: str | None) -> str | None:
    """Return a network's full name; PipelineError when it is not one."""
    if network is not None and not _NETWORK.fullmatch(network):
        raise PipelineError(f'"{network}" is no network: give projects/NUMBER/global/networks/NAME')
    return network


def check_display_name(name: str) -> str:
    """Return a name for people; PipelineError when it is empty, too long or would break a filter."""
    if not 1 <= len(name) <= _LONGEST_DISPLAY_NAME or '"' in name or not name.isprintable():
        raise PipelineError(
            f'the name "{name}" must have 1 to {_LONGEST_DISPLAY_NAME} printable characters and no quotes'
        )
    return name


def check_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return labels; PipelineError when one is not as Google Cloud takes it.

    The rules are those of https://cloud.google.com/resource-manager/docs/labels-overview#requirements.
    """
    given = dict(labels or {})
    if len(given) > _MOST_LABELS:
        raise PipelineError(f"a resource of Google Cloud has {_MOST_LABELS} labels at most; there are {len(given)}")
    for key, value in given.items():
        if not _is_label(key) or not key or unicodedata.category(key[0]) not in _LETTERS:
            raise PipelineError(
                f'the label "{key}" must begin with a lower-case letter and have only lower-case letters, digits, "_" '
                f'and "-", {_LONGEST_LABEL} at most'
            )
        if not _is_label(value):
            raise PipelineError(
                f'the label {key}="{value}" must have only lower-case letters, digits, "_" and "-", '
                f"{_LONGEST_LABEL} at most"
            )
    return given


def label_value(text: str) -> str:
    """Return a text made into a label's value: what a label may not have becomes a hyphen."""
    return "".join(char if _is_label(char) else "-" for char in text.lower())[:_LONGEST_LABEL]


def job_id(name: str) -> str:
    """Return the id of a pipeline job: ``[a-z][-a-z0-9]{0,127}``."""
    return _plain(name, 128, "run")


def model_id(name: str) -> str:
    """Return the id of a model in Vertex AI's registry: up to 63 of ``[a-z0-9_-]``, a letter or ``_`` first."""
    return _plain(name, 63, "model", also="_")


def endpoint_id(name: str) -> str:
    """Return the id of an endpoint: up to 63 of ``[a-z0-9-]``, a letter first, no hyphen last."""
    return _plain(name, 63, "endpoint")


def version_alias(version: str) -> str:
    """Return the alias of a version: ``v1-2-0`` of 1.2.0, for aliases are ``[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]``."""
    return f"v{re.sub(r'[^a-z0-9]+', '-', version.lower()).strip('-')}"


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and all(
        char in "_-" or unicodedata.category(char) in _LETTERS | _DIGITS for char in text
    )


def _plain(name: str, longest: int, kind: str, also: str = "") -> str:
    plain = re.sub(rf"[^a-z0-9{also}]+", "-", name.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"{kind}-{plain}"
    return plain[:longest].rstrip("-")
