# SPDX-License-Identifier: Apache-2.0
"""Versions of one model that are worse than the first one in every way that a rollout must notice."""
