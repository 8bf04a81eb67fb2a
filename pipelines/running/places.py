# SPDX-License-Identifier: Apache-2.0
"""Which addresses the pods of a run can reach."""

from pipelines.errors import PipelineError


def is_folder(place: str) -> bool:
    """Return whether an address is one of this machine, rather than a bucket's."""
    return "://" not in place or place.startswith("file://")


def check_bucket(option: str, place: str | None) -> None:
    """Raise PipelineError where an option's place, if there is one, is a folder of this machine."""
    if place is not None and is_folder(place):
        raise PipelineError(
            f"{place} is a folder of this machine, which the run's pods do not have: give {option} as s3://BUCKET or "
            "gs://BUCKET"
        )
