# SPDX-License-Identifier: Apache-2.0
"""Requests that leave when they are due, inside Locust: one process's part, and how the processes of a run agree."""
