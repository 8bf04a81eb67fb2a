# SPDX-License-Identifier: Apache-2.0
"""Pipelines: so far the use cases, and training them on this machine."""
