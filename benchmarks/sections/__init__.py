# SPDX-License-Identifier: Apache-2.0
"""The parts of a run, each a module with one ``SECTION``, in the order they run."""

from typing import Final

from benchmarks.sections.batching import SECTION as BATCHING
from benchmarks.sections.grpc_speed import SECTION as GRPC
from benchmarks.sections.health import SECTION as HEALTH
from benchmarks.sections.http_speed import SECTION as HTTP
from benchmarks.sections.overload import SECTION as OVERLOAD
from benchmarks.sections.profile import SECTION as PROFILE
from benchmarks.sections.rows import SECTION as ROWS
from benchmarks.sections.section import Section
from benchmarks.sections.start import SECTION as START
from benchmarks.sections.workers import SECTION as WORKERS

SECTIONS: Final[dict[str, Section]] = {
    section.name: section for section in (HTTP, GRPC, START, HEALTH, BATCHING, OVERLOAD, WORKERS, ROWS, PROFILE)
}
