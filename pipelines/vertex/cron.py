# SPDX-License-Identifier: Apache-2.0
"""Times as cron writes them, with a time zone before them as Vertex AI has it."""

from zoneinfo import available_timezones

from pipelines.cron import with_seconds
from pipelines.errors import PipelineError


def cron_with_zone(cron: str, time_zone: str) -> str:
    """Return a cron expression with its time zone, ``TZ=Europe/Berlin 0 3 * * 1``.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        time_zone: A name of the IANA time zone database.

    Raises:
        PipelineError: One of them is none.
    """
    with_seconds(cron)
    if time_zone != "UTC" and available_timezones() and time_zone not in available_timezones():
        raise PipelineError(f'"{time_zone}" is no time zone; give one such as Europe/Berlin')
    return f"TZ={time_zone} {' '.join(cron.split())}"
