# SPDX-License-Identifier: Apache-2.0
"""Vertex AI: pipeline jobs, schedules, model registry, endpoints. Google's library is imported when it is used."""
