# SPDX-License-Identifier: Apache-2.0
"""Moments as Kubernetes writes them."""

from datetime import datetime


def kubernetes_time(moment: datetime) -> str:
    """Return a moment of UTC in whole seconds, such as ``2026-01-05T09:30:00Z``; their order is that of time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
